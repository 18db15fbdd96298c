"""Ready pairs from Parquet files whose cells hold the pictures."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from stages.core.errors import InputError
from stages.make_games import pool
from stages.make_games.ready import parquet, plan
from tests.make_games.ready.samples import edited, made_from, photo, png, recipe, rows, struct, write_cells, write_pair
from tests.make_games.test_kills import contents

pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")


def test_magicbrush_names_pairs_by_photo_and_turn(tmp_path: Path) -> None:
    more = {
        "img_id": ["242679", "242679", "1"],
        "turn_index": [1, 2, 1],
        "mask_img": [struct(png(photo(9)))] * 3,
        "instruction": ["Put a cat on the chair", "Make it black", "Remove the lamp"],
    }
    out = made_from(write_cells(tmp_path / "train.parquet", **more), tmp_path)
    found = rows(out)
    assert [row["pair_id"] for row in found] == ["242679-1", "242679-2", "1-1"]
    assert found[0]["split"] == found[1]["split"]
    assert found[2]["changes"][0]["after"] == "Remove the lamp"
    for number, row in enumerate(found):
        with Image.open(out / row["original"]) as one, Image.open(out / row["modified"]) as other:
            assert one.tobytes() == photo(number).tobytes()
            assert other.tobytes() == edited(photo(number)).tobytes()


def test_cells_may_be_plain_bytes_or_lists_of_one(tmp_path: Path) -> None:
    pair = png(photo()), png(edited(photo()))
    frame = pl.DataFrame({"original": [pair[0]], "edited": [[struct(pair[1])]], "note": ["x"]})
    frame.write_parquet(tmp_path / "m.parquet")
    (row,) = rows(made_from(tmp_path / "m.parquet", tmp_path))
    assert row["pair_id"] == "m-000001"


def test_the_files_of_a_folder_are_read_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "in" / "data").mkdir(parents=True)
    for number in (1, 0):
        write_cells(tmp_path / "in" / "data" / f"train-0000{number}-of-00002.parquet", count=2)
    found = rows(made_from(tmp_path / "in", tmp_path, "games.pairs=3"))
    assert [row["pair_id"] for row in found] == [
        "data-train-00000-of-00002-000001",
        "data-train-00000-of-00002-000002",
        "data-train-00001-of-00002-000001",
    ]


def test_a_blank_spy_takes_the_only_column_of_pictures(tmp_path: Path) -> None:
    pl.DataFrame({"snap": [struct(png(photo()))], "label": ["cat"]}).write_parquet(tmp_path / "m.parquet")
    (row,) = rows(made_from(tmp_path / "m.parquet", tmp_path, "game.spy_view=blank"))
    assert row["modified"] is None


def test_each_row_group_is_read_once_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_cells(tmp_path / "m.parquet", count=6, row_group_size=2)
    opened: list[Path] = []
    real = parquet._open
    monkeypatch.setattr(parquet, "_open", lambda path: opened.append(path) or real(path))
    parquet._column.cache_clear()
    assert len(rows(made_from(file, tmp_path))) == 6
    assert len(opened) == 1 + 3 * 2  # once for the plan, then 3 groups of 2 columns


def test_a_changed_picture_is_not_up_to_date(tmp_path: Path) -> None:
    made_from(write_cells(tmp_path / "m.parquet"), tmp_path)
    pl.read_parquet(tmp_path / "m.parquet").reverse().write_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match="different inputs"):
        made_from(tmp_path / "m.parquet", tmp_path)


def test_a_group_that_is_too_large_can_be_read_after_what_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_cells(tmp_path / "m.parquet", count=6)
    monkeypatch.setattr(parquet, "MOST_GROUP_BYTES", 40000)
    with pytest.raises(InputError, match=r"row group 0 holds [\d,]+ bytes of pictures.*more than 40,000") as told:
        made_from(file, tmp_path)
    (code,) = re.findall("python -c '(.*)'$", str(told.value))
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(rows(made_from(tmp_path / "m-small.parquet", tmp_path))) == 6


def test_groups_beyond_those_that_are_wanted_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "MOST_GROUP_BYTES", 40000)
    frames = [pl.read_parquet(write_cells(tmp_path / "m.parquet", count=count)) for count in (1, 8)]
    file = tmp_path / "both.parquet"
    with parquet.require("pyarrow.parquet", "hub").ParquetWriter(file, frames[0].to_arrow().schema) as writer:
        for frame in frames:
            writer.write_table(frame.to_arrow())
    assert len(rows(made_from(file, tmp_path, "games.pairs=1"))) == 1


def test_pairs_of_a_row_group_are_made_by_one_process(tmp_path: Path) -> None:
    file = write_cells(tmp_path / "m.parquet", count=10, row_group_size=4)
    pairs = plan(recipe(), str(file)).pairs
    assert [[pair.entry.original.row for pair in each] for each in pool._batches(pairs, 5)] == [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [9, 10],
    ]
    # A group of more than a process' share is shared out all the same.
    assert [len(each) for each in pool._batches(pairs, 3)] == [3, 1, 3, 1, 2]


def test_pairs_of_files_go_one_by_one(tmp_path: Path) -> None:
    for number in range(3):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    assert [len(each) for each in pool._batches(plan(recipe(), str(tmp_path / "in")).pairs, 3)] == [1, 1, 1]


def test_cells_by_two_processes_are_the_same_bytes(tmp_path: Path) -> None:
    file = write_cells(tmp_path / "m.parquet", count=10, row_group_size=4)
    one, two = (made_from(file, tmp_path / str(count), processes=count) for count in (1, 2))
    assert contents(one) == contents(two)


def test_files_whose_groups_are_too_large_are_written_anew_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a/0.parquet", "b/0.parquet"):
        (tmp_path / "in" / name).parent.mkdir(parents=True)
        write_cells(tmp_path / "in" / name, count=6)
    monkeypatch.setattr(parquet, "MOST_GROUP_BYTES", 40000)
    with pytest.raises(InputError, match="give --from in-small: python") as told:
        made_from(tmp_path / "in", tmp_path)
    (code,) = re.findall("python -c '(.*)'$", str(told.value))
    monkeypatch.chdir(tmp_path)
    subprocess.run([sys.executable, "-c", code], check=True)
    names = [row["pair_id"] for row in rows(made_from("in-small", tmp_path))]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert names == [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path / "large"))]
