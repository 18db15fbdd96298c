"""Ready pairs from Parquet files whose cells hold the pictures."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from stages.core.errors import InputError
from tests.make_games.ready.samples import edited, made_from, photo, png, rows, struct, write_cells
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


def test_a_changed_picture_is_not_up_to_date(tmp_path: Path) -> None:
    made_from(write_cells(tmp_path / "m.parquet"), tmp_path)
    pl.read_parquet(tmp_path / "m.parquet").reverse().write_parquet(tmp_path / "m.parquet")
    with pytest.raises(InputError, match="different inputs"):
        made_from(tmp_path / "m.parquet", tmp_path)


def test_cells_by_two_processes_are_the_same_bytes(tmp_path: Path) -> None:
    file = write_cells(tmp_path / "m.parquet", count=10, row_group_size=4)
    one, two = (made_from(file, tmp_path / str(count), processes=count) for count in (1, 2))
    assert contents(one) == contents(two)
