"""The contact sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageFont

from stages.core.errors import InputError
from stages.inspect import contact_sheet
from stages.inspect.contact_sheet import GAP, LINE, MARGIN, OUTLINE, TILE, plain
from stages.inspect.show import show
from tests.inspect.folders import EVIL, evil_pairs, pair, squares, write_pairs

TOP = 2 * MARGIN + LINE  # of the first row of tiles
PINK = tuple(bytes.fromhex(OUTLINE.removeprefix("#")))


def sheet_of(folder: Path, **more: object) -> Image.Image:
    report = show(folder, folder.with_name("sheet.png"), sheet=True, **more)  # type: ignore[arg-type]
    with Image.open(report.out) as sheet:
        return sheet.convert("RGB")


def tile(sheet: Image.Image, column: int, row_top: int = TOP) -> Image.Image:
    left = MARGIN + (column // 2) * (2 * TILE + GAP + MARGIN) + (column % 2) * (TILE + GAP)
    return sheet.crop((left, row_top, left + TILE, row_top + round(TILE * 80 / 120)))


def colours(picture: Image.Image) -> set[object]:
    return {colour for _, colour in picture.getcolors(picture.width * picture.height) or []}


def test_both_pictures_are_side_by_side_with_outlines(kinds: Path):
    sheet = sheet_of(kinds, pairs="one")
    original, modified = tile(sheet, 0), tile(sheet, 1)
    assert (255, 0, 0) in colours(original) and (0, 0, 255) not in colours(original)
    assert (0, 0, 255) in colours(modified) and PINK in colours(original) and PINK in colours(modified)


def test_a_blank_spy_is_an_empty_frame(kinds: Path):
    frame = tile(sheet_of(kinds, pairs="blank"), 1)
    inside = frame.crop((2, 2, frame.width - 2, frame.height - 2))
    assert colours(inside) == {(255, 255, 255)} and frame.getpixel((0, 5)) != (255, 255, 255)


def test_pairs_are_in_rows_of_three(kinds: Path):
    width = MARGIN + 3 * (2 * TILE + GAP + MARGIN)
    assert sheet_of(kinds).width == width
    two = sheet_of(kinds, pairs="one,two")
    assert two.width == MARGIN + 2 * (2 * TILE + GAP + MARGIN) and two.height < sheet_of(kinds).height / 2


def test_a_sheet_holds_a_limited_number_of_pairs(kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contact_sheet, "MOST", 2)
    with pytest.raises(InputError, match="at most 2 pairs; use --gallery"):
        show(kinds, tmp_path / "sheet.png", sheet=True, limit=5)
    assert show(kinds, tmp_path / "sheet.png", sheet=True, limit=2).counts["pairs"] == 2


def test_equal_folders_give_equal_bytes(kinds: Path, tmp_path: Path):
    assert show(kinds, tmp_path / "sheet.png", sheet=True).status == "done"
    assert show(kinds, tmp_path / "sheet.png", sheet=True).status == "up to date"


def test_a_picture_of_another_program_is_not_replaced(kinds: Path, tmp_path: Path):
    Image.new("RGB", (3, 3)).save(tmp_path / "mine.png")
    (tmp_path / "text.png").write_text("mine")
    for name, message in (
        ("mine.png", "not written by vz"),
        ("text.png", "not written by vz"),
        ("x.jpg", "ends in .png"),
    ):
        with pytest.raises(InputError, match=message):
            show(kinds, tmp_path / name, sheet=True)


def test_any_text_fits(tmp_path: Path):
    long = pair("x" * 300, squares(), squares((20, 40)), changes=[])
    changes = [{"object": number, "attribute": "a" * 90, "before": "b", "after": "c"} for number in range(9)]
    wordy = pair("wordy", squares(), squares((20, 40)), changes=changes)
    sheet = sheet_of(write_pairs(tmp_path / "games", [long, wordy, *evil_pairs()]))
    assert len(EVIL) == 4 and sheet.width == MARGIN + 3 * (2 * TILE + GAP + MARGIN)
    right_of_cell = sheet.crop((MARGIN + 2 * TILE + GAP + 1, 0, 2 * MARGIN + 2 * TILE + GAP - 1, sheet.height))
    assert colours(right_of_cell.crop((0, TOP, right_of_cell.width, sheet.height))) == {(255, 255, 255)}


@pytest.mark.parametrize(
    ("text", "written"),
    [("Größe 5 → 7", "Grosse 5 -> 7"), ("€295 – £3", "EUR 295 - GBP 3"), ("20 °C …", "20 °C ..."), ("販売 é", "?? e")],
)
def test_letters_that_the_font_lacks_are_spelled(text: str, written: str) -> None:
    assert plain(text) == written


@pytest.mark.parametrize("letter", "·°©")
def test_the_font_has_the_other_letters(letter: str) -> None:
    font, missing = ImageFont.load_default(14), "\N{RIGHTWARDS ARROW}"
    assert bytes(font.getmask(letter)) != bytes(font.getmask(missing))
