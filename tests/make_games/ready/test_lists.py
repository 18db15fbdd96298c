"""Ready pairs from the usual forms of multi-image data: a column of lists, a JSON list, `datasets.save_to_disk`."""

from __future__ import annotations

import json
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


def test_a_blank_spy_sees_the_first_of_a_list(tmp_path: Path) -> None:
    (row,) = rows(made_from(write_lists(tmp_path / "pairs.jsonl", 1), tmp_path, "game.spy_view=blank"))
    assert row["modified"] is None


def test_of_a_longer_list_the_first_two_are_taken_and_a_shorter_one_is_refused(tmp_path: Path) -> None:
    place = write_lists(tmp_path / "pairs.jsonl", 1)
    images = json.loads(place.read_text())["images"]
    place.write_text(json.dumps({"images": [*images, images[0]]}) + "\n")
    out = made_from(place, tmp_path)
    assert pixels(out, rows(out)[0]["modified"]) == edited(photo(0)).tobytes()
    place.write_text(json.dumps({"images": images[:1]}) + "\n")
    with pytest.raises(InputError, match=r"line 1: 'images\[1\]' is missing, since the list has length 1"):
        made_from(place, tmp_path / "short")


def test_a_json_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pairs.json").write_text('{"data": []}')
    with pytest.raises(InputError, match=r"pairs.json: is not a list of pairs"):
        made_from(tmp_path / "pairs.json", tmp_path)
    (tmp_path / "pairs.json").write_text("[1]")
    with pytest.raises(InputError, match=r"pairs.json: item 1: is not a JSON object"):
        made_from(tmp_path / "pairs.json", tmp_path)


@pytest.mark.parametrize("splits", [False, True])
def test_a_data_set_on_disk_is_read(tmp_path: Path, splits: bool) -> None:
    datasets = pytest.importorskip("datasets", reason="extra 'hub' is not installed")
    cells = [[struct(png(photo(number))), struct(png(edited(photo(number))))] for number in range(2)]
    parts = [datasets.Dataset.from_list([{"images": images}]) for images in cells]
    made = datasets.DatasetDict({"test": parts[0], "train": parts[1]}) if splits else parts[0]
    made.save_to_disk(tmp_path / "it's saved")
    found = rows(made_from(tmp_path / "it's saved", tmp_path))
    assert [row["split"] for row in found] == (["train", "test"] if splits else ["train"])


def test_features_of_pictures_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="extra 'hub' is not installed")
    row = {"original": struct(png(photo())), "modified": struct(png(edited(photo())))}
    data = datasets.Dataset.from_list([row]).cast_column("original", datasets.Image())
    data.cast_column("modified", datasets.Image()).save_to_disk(tmp_path / "saved")
    out = made_from(tmp_path / "saved", tmp_path)
    assert pixels(out, rows(out)[0]["original"]) == photo().tobytes()
