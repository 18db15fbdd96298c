"""Ready pairs from the usual forms of multi-image data: a column of lists, a JSON list, `datasets.save_to_disk`."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from stages.core.errors import InputError
from tests.make_games.ready.samples import edited, made_from, photo, png, rows, struct, write_pair

REVERSED = ["games.ready.original=images[1]", "games.ready.modified=images[0]"]


def write_lists(file: Path, count: int = 2) -> Path:
    """A row for each pair, with a column `images` that holds both pictures: paths, or the pictures themselves."""
    names = [write_pair(file.parent / "p", f"n{number}", seed=number) for number in range(count)]
    lists: list[dict[str, Any]] = [{"images": [str(path.relative_to(file.parent)) for path in pair]} for pair in names]
    if file.suffix == ".parquet":
        cells = [[struct(png(photo(number))), struct(png(edited(photo(number))))] for number in range(count)]
        pl.DataFrame({"images": cells}).write_parquet(file)
    elif file.suffix == ".json":
        file.write_text(json.dumps(lists))
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in lists))
    return file


def pixels(out: Path, ref: str) -> bytes:
    with Image.open(out / ref) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.json", "pairs.parquet"])
def test_the_two_pictures_of_a_list_are_original_and_modified(tmp_path: Path, name: str) -> None:
    out = made_from(write_lists(tmp_path / name), tmp_path)
    for number, row in enumerate(rows(out)):
        assert pixels(out, row["original"]) == photo(number).tobytes()
        assert pixels(out, row["modified"]) == edited(photo(number)).tobytes()


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.parquet"])
def test_the_recipe_may_name_items_of_a_list(tmp_path: Path, name: str) -> None:
    out = made_from(write_lists(tmp_path / name, 1), tmp_path, *REVERSED)
    (row,) = rows(out)
    assert pixels(out, row["original"]) == edited(photo(0)).tobytes()


def test_a_blank_spy_needs_one_named_item(tmp_path: Path) -> None:
    place = write_lists(tmp_path / "pairs.jsonl", 1)
    with pytest.raises(InputError, match="'images' holds 2 pictures, and 1 must be there"):
        made_from(place, tmp_path, "game.spy_view=blank")
    (row,) = rows(made_from(place, tmp_path, "game.spy_view=blank", REVERSED[0]))
    assert row["modified"] is None


@pytest.mark.parametrize("count", [1, 3])
def test_a_list_of_another_length_is_refused_until_its_items_are_named(tmp_path: Path, count: int) -> None:
    place = write_lists(tmp_path / "pairs.jsonl", 1)
    images = json.loads(place.read_text())["images"]
    place.write_text(json.dumps({"images": (images * 2)[:count]}) + "\n")
    with pytest.raises(
        InputError, match=f"line 1: 'images' holds {count} pictures?, and 2 must be there; remove the row"
    ):
        made_from(place, tmp_path)
    if count == 3:
        assert len(rows(made_from(place, tmp_path, *REVERSED))) == 1
    else:
        with pytest.raises(InputError, match="holds 1 picture, and at least 2 must be there; remove the row$"):
            made_from(place, tmp_path, *REVERSED)


def test_a_json_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text('{"data": []}')
    with pytest.raises(InputError, match=r"pairs.json: is no list of pairs"):
        made_from(tmp_path / "pairs.json", tmp_path)
    (tmp_path / "pairs.json").write_text("[1]")
    with pytest.raises(InputError, match=r"pairs.json: item 1: is no JSON object"):
        made_from(tmp_path / "pairs.json", tmp_path)


@pytest.mark.parametrize("splits", [False, True])
def test_a_data_set_on_disk_is_refused_with_a_command_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, splits: bool
) -> None:
    datasets = pytest.importorskip("datasets", reason="extra 'train' is not installed")
    part = datasets.Dataset.from_list([{"images": [struct(png(photo())), struct(png(edited(photo())))]}])
    made = datasets.DatasetDict({"train": part, "test": part}) if splits else part
    made.save_to_disk(tmp_path / "it's saved")
    with pytest.raises(InputError, match="as `save_to_disk` writes it") as refused:
        made_from(tmp_path / "it's saved", tmp_path)
    monkeypatch.chdir(tmp_path)
    program, *arguments = shlex.split(str(refused.value).partition("-parquet: ")[2])
    assert program == "python"
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    assert len(rows(made_from("it's saved-parquet", tmp_path))) == (2 if splits else 1)
