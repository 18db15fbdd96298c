"""Ready pairs from folders: by file name, by two folders, as published, and single pictures for a blank spy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.make_games import Sources, run
from tests.make_games.ready.samples import edited, made_from, photo, recipe, rows, skipped, write_cells, write_pair
from tests.make_games.test_kills import contents

CUBE = {"shape": "cube", "color": "red", "size": "large", "material": "metal"}
BALL = {**CUBE, "shape": "sphere", "color": "blue"}
NOTE = {
    "original_scene": {"objects": [CUBE, CUBE]},
    "modification": {"replaced_objects": [{"index": 1, "original": CUBE, "replacement": BALL}]},
}


def write_note(folder: Path, text: str, base: str = "one") -> None:
    (folder / "replacement_scenes").mkdir()
    (folder / "replacement_scenes" / f"{base}_comparison.json").write_text(text)


def write_two_folders(folder: Path, one: str, other: str, names: tuple[str, str] = ("a.png", "a.jpg")) -> None:
    for sub, name, image in ((one, names[0], photo()), (other, names[1], edited(photo()))):
        (folder / sub).mkdir(parents=True)
        image.save(folder / sub / name)


def test_pairs_by_name_are_taken_as_they_are(tmp_path: Path) -> None:
    original, _ = write_pair(tmp_path / "in")
    out = made_from(tmp_path / "in", tmp_path, "games.domain=chart")
    (row,) = rows(out)
    assert (row["pair_id"], row["domain"], row["changes"]) == ("one", "chart", [])
    assert row["source"] == "folder:in"
    assert (out / row["original"]).read_bytes() == original.read_bytes()


def test_pairs_by_name_may_be_at_any_depth(tmp_path: Path) -> None:
    write_pair(tmp_path / "in" / "cats" / "big")
    assert [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["cats-big-one"]


def test_the_first_pairs_in_name_order_are_taken(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    found = rows(made_from(tmp_path / "in", tmp_path, "games.pairs=2"))
    assert [row["pair_id"] for row in found] == ["pair0", "pair1"]


@pytest.mark.parametrize("above", [".", "output"])
def test_the_published_layout_brings_its_changes(tmp_path: Path, above: str) -> None:
    write_pair(tmp_path / "in" / above / "replacement_images")
    write_note(tmp_path / "in" / above, json.dumps(NOTE))
    (row,) = rows(made_from(tmp_path / "in", tmp_path))
    assert row["changes"] == [
        {"object": 1, "attribute": "shape", "before": "cube", "after": "sphere"},
        {"object": 1, "attribute": "color", "before": "red", "after": "blue"},
    ]
    assert json.loads(row["modified_scene"])["objects"] == [CUBE, BALL]
    assert row["domain"] == "clevr"


def test_the_published_layout_without_notes_is_of_pictures(tmp_path: Path) -> None:
    write_pair(tmp_path / "in" / "replacement_images")
    (row,) = rows(made_from(tmp_path / "in", tmp_path))
    assert (row["domain"], row["scene"]) == ("picture", None)


@pytest.mark.parametrize(
    "names", [("original", "modified"), ("Originals", "edits"), ("source", "target"), ("before", "after")]
)
def test_two_folders_are_matched_by_name(tmp_path: Path, names: tuple[str, str]) -> None:
    write_two_folders(tmp_path / "in", *names)
    (row,) = rows(made_from(tmp_path / "in", tmp_path))
    assert (row["pair_id"], row["domain"]) == ("a", "picture")


@pytest.mark.parametrize(
    ("name", "copy"),
    [("dog", "dog-edited"), ("dog 1", "dog 1 (Edited)"), ("PXL_7", "PXL_7_edited"), ("IMG_0042", "IMG_E0042")],
)
def test_pictures_are_matched_with_their_edited_copies(tmp_path: Path, name: str, copy: str) -> None:
    (tmp_path / "in").mkdir()
    for file, image in ((name, photo()), (copy, edited(photo())), ("beach", photo(5))):
        image.save(tmp_path / "in" / f"{file}.jpg")
    out = made_from(tmp_path / "in", tmp_path)
    assert [row["pair_id"] for row in rows(out)] == [name]
    assert json.loads((out / "manifest.json").read_text())["counts"]["ignored_pictures"] == 1


def test_clevr_change_folders_are_matched_by_number(tmp_path: Path) -> None:
    names = ("CLEVR_default_000007.png", "CLEVR_semantic_000007.png")
    write_two_folders(tmp_path / "in", "images", "sc_images", names)
    (tmp_path / "in" / "nsc_images").mkdir()
    photo(9).save(tmp_path / "in" / "nsc_images" / "CLEVR_nonsemantic_000007.png")
    (row,) = rows(made_from(tmp_path / "in", tmp_path))
    assert (row["pair_id"], row["domain"]) == ("CLEVR_000007", "clevr")


def test_a_blank_spy_needs_one_picture(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    photo().save(tmp_path / "in" / "beach.jpg")
    (tmp_path / "in" / "README.md").write_text("no picture")
    (row,) = rows(made_from(tmp_path / "in", tmp_path, "game.spy_view=blank"))
    assert (row["pair_id"], row["original"], row["modified"]) == ("beach", "images/beach_original.png", None)


def test_a_blank_spy_takes_a_single_file(tmp_path: Path) -> None:
    photo().save(tmp_path / "beach.webp")
    (row,) = rows(made_from(tmp_path / "beach.webp", tmp_path, "game.spy_view=blank"))
    assert (row["pair_id"], row["source"]) == ("beach", "file:beach.webp")


def test_a_blank_spy_takes_the_originals_of_pairs(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    found = rows(made_from(tmp_path / "in", tmp_path, "game.spy_view=blank"))
    assert [(row["pair_id"], row["modified"]) for row in found] == [("one", None)]


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    write_pair(tmp_path / "elsewhere")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "loop").symlink_to(tmp_path / "in")
    assert [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["linked-one"]


def test_a_link_beside_its_target_doubles_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path / "in" / "real")
    (tmp_path / "in" / "link").symlink_to("real")
    assert [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["real-one"]


def test_a_changed_parquet_in_a_linked_folder_is_not_up_to_date(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
    for name in ("in", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "data").symlink_to(tmp_path / "elsewhere")
    write_cells(tmp_path / "elsewhere" / "p.parquet", count=2)
    made_from(tmp_path / "in", tmp_path)
    write_cells(tmp_path / "elsewhere" / "p.parquet", count=3)
    with pytest.raises(InputError, match="different inputs"):
        made_from(tmp_path / "in", tmp_path)


@pytest.mark.parametrize("view", ["modified", "blank"])
def test_pictures_that_belong_to_no_pair_are_reported(tmp_path: Path, view: str) -> None:
    write_pair(tmp_path / "in")
    for number in range(4):
        photo(number).save(tmp_path / "in" / f"other{number}.png")
    report = run(recipe(f"game.spy_view={view}"), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))
    assert (report.counts["pairs"], report.counts["ignored_pictures"]) == (1, 4)
    assert "ignored pictures that belong to no pair: 4 (other0, other1, other2, …)" in report.warnings


def test_a_name_that_is_no_text_gets_one_that_is(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    for role in ("original", "modified"):
        (tmp_path / "in" / f"one_{role}.png").rename(tmp_path / "in" / f"caf\udce9_{role}.png")
    assert [row["pair_id"][:4] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["caf-"]


def test_the_same_pictures_under_another_name_are_another_input(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    made_from(tmp_path / "in", tmp_path)
    (tmp_path / "in").rename(tmp_path / "renamed")
    with pytest.raises(InputError, match="different inputs"):
        made_from(tmp_path / "renamed", tmp_path)


def test_a_changed_picture_of_the_same_size_is_not_up_to_date(tmp_path: Path) -> None:
    original, _ = write_pair(tmp_path / "in")
    made_from(tmp_path / "in", tmp_path)
    stamp = original.stat()
    data = bytearray(original.read_bytes())
    data[-20] ^= 1
    original.write_bytes(bytes(data))
    os.utime(original, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(InputError, match="different inputs"):
        made_from(tmp_path / "in", tmp_path)


def test_the_same_again_is_up_to_date(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    made_from(tmp_path / "in", tmp_path)
    assert run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in"))).status == "up to date"


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    for number in range(3):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    one = made_from(tmp_path / "in", tmp_path / "one", processes=1)
    two = made_from(tmp_path / "in", tmp_path / "two", processes=2)
    assert contents(one) == contents(two)


def test_genuine_edited_photos_are_kept(shared_data: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for folder, name, original, modified in (
        ("real_pairs_odiff", "tiger", "tiger.jpg", "tiger-2.jpg"),
        ("real_pairs_iopaint", "balloons", "unwant_object.jpg", "unwant_object_clean.jpg"),
    ):
        source = shared_data(folder)
        (tmp_path / "in" / f"{name}_original.jpg").write_bytes((source / original).read_bytes())
        (tmp_path / "in" / f"{name}_modified.jpg").write_bytes((source / modified).read_bytes())
    out = made_from(tmp_path / "in", tmp_path, "games.ready.max_side=512")
    found = rows(out)
    assert [(row["pair_id"], row["domain"]) for row in found] == [("balloons", "picture"), ("tiger", "picture")]
    for row in found:
        with Image.open(out / row["original"]) as image, Image.open(out / row["modified"]) as other:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", other.size)
            assert max(image.size) == 512


def test_a_pair_of_the_published_layout_without_its_note_is_counted(tmp_path: Path) -> None:
    for base in ("one", "two"):
        write_pair(tmp_path / "in" / "replacement_images", base)
    write_note(tmp_path / "in", json.dumps(NOTE))
    report = run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")), processes=1)
    assert [(row["domain"], len(row["changes"])) for row in rows(report.out)] == [("clevr", 2), ("clevr", 0)]
    assert report.counts["without_note"] == 1


def test_pictures_of_another_kind_matter_only_in_a_pair(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    (tmp_path / "in" / "logo.svg").write_text("<svg/>")
    assert len(rows(made_from(tmp_path / "in", tmp_path))) == 1


@pytest.mark.parametrize("names", [("a_original.png", "b_modified.png"), ("before/a.png", "after/b.png")])
def test_pictures_without_a_counterpart_can_be_dropped(tmp_path: Path, names: tuple[str, str]) -> None:
    original, modified = (
        ("c_original.png", "c_modified.png") if "/" not in names[0] else ("before/c.png", "after/c.png")
    )
    for name, image in ((original, photo()), (modified, edited(photo())), *((name, photo(5)) for name in names)):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "in" / name)
    with pytest.raises(InputError, match="its counterpart .* is missing; add it"):
        made_from(tmp_path / "in", tmp_path, "games.strict=true")
    out = made_from(tmp_path / "in", tmp_path)
    assert [row["pair_id"] for row in rows(out)] == ["c"]
    assert skipped(out) == {"a": "no counterpart", "b": "no counterpart"}


def test_columns_named_without_effect_are_refused(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    with pytest.raises(InputError, match=r"found by file name, so games\.ready\.original has no effect"):
        made_from(tmp_path / "in", tmp_path, "games.ready.original=left")
