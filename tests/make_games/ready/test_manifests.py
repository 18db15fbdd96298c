"""Ready pairs from manifests: CSV, JSON lines, and Parquet with paths."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from stages.core import tables
from stages.core.errors import InputError
from tests.make_games.ready.samples import edited, made_from, photo, rows, skipped, write_pair

Cells = dict[str, list[Any]]


def write_manifest(file: Path, cells: Cells) -> Path:
    frame = pl.DataFrame(cells)
    if file.suffix in {".csv", ".tsv"}:
        frame.write_csv(file)
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n\n" for row in frame.to_dicts()))
    else:
        frame.write_parquet(file)
    return file


def paths(folder: Path, count: int = 2) -> Cells:
    files = [write_pair(folder / "pictures", f"n{number}", seed=number) for number in range(count)]
    return {
        "original": [str(one.relative_to(folder)) for one, _ in files],
        "modified": [str(other.relative_to(folder)) for _, other in files],
    }


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_row_is_a_pair(tmp_path: Path, kind: str) -> None:
    cells = {**paths(tmp_path), "pair_id": ["a", "b"], "instruction": ["remove it", None], "split": ["test", "val"]}
    out = made_from(write_manifest(tmp_path / f"pairs.{kind}", cells), tmp_path)
    one, other = rows(out)
    assert [(row["pair_id"], row["split"], row["source"]) for row in (one, other)] == [
        ("a", "test", f"file:pairs.{kind}"),
        ("b", "dev", f"file:pairs.{kind}"),
    ]
    assert one["changes"] == [{"object": 0, "attribute": "edit", "before": "", "after": "remove it"}]
    assert other["changes"] == []
    with Image.open(out / one["modified"]) as image:
        assert image.tobytes() == edited(photo(0)).tobytes()


def test_without_names_pairs_are_named_by_row(tmp_path: Path) -> None:
    found = rows(made_from(write_manifest(tmp_path / "edits.csv", paths(tmp_path)), tmp_path))
    assert [row["pair_id"] for row in found] == ["edits-000001", "edits-000002"]


def test_imgedit_holds_lists_of_one_path_that_count_from_another_folder(tmp_path: Path) -> None:
    cells = paths(tmp_path / "unpacked", 1)
    (tmp_path / "Parquet").mkdir()
    form = {"input_images": [cells["original"]], "output_images": [cells["modified"]], "prompt": ["Remove it."]}
    file = write_manifest(tmp_path / "Parquet" / "remove_part5.parquet", form)
    (row,) = rows(made_from(file, tmp_path, f"games.ready.pictures={tmp_path / 'unpacked'}"))
    assert (row["pair_id"], row["domain"], row["changes"][0]["after"]) == (
        "remove_part5-000001",
        "picture",
        "Remove it.",
    )


def test_columns_can_be_named(tmp_path: Path) -> None:
    cells = paths(tmp_path, 1)
    file = write_manifest(tmp_path / "m.csv", {"left": cells["original"], "right": cells["modified"], "original": [""]})
    overrides = ["games.ready.original=left", "games.ready.modified=right"]
    assert len(rows(made_from(file, tmp_path, *overrides))) == 1


def test_a_blank_spy_needs_one_column(tmp_path: Path) -> None:
    file = write_manifest(tmp_path / "m.jsonl", {"image": paths(tmp_path)["original"], "caption": ["x", "y"]})
    assert [row["modified"] for row in rows(made_from(file, tmp_path, "game.spy_view=blank"))] == [None, None]


def test_pairs_of_one_group_share_a_split(tmp_path: Path) -> None:
    cells = {**paths(tmp_path, 12), "group": [f"photo{number // 3}" for number in range(12)]}
    file = write_manifest(tmp_path / "m.csv", cells)
    found = rows(made_from(file, tmp_path, "games.dev_fraction=0.4", "games.test_fraction=0.4"))
    splits = [row["split"] for row in found]
    assert [len(set(splits[start : start + 3])) for start in range(0, 12, 3)] == [1, 1, 1, 1]
    assert len(set(splits)) > 1


def test_a_games_folder_of_vz_can_be_read_again(tmp_path: Path) -> None:
    write_pair(tmp_path / "in")
    first = made_from(tmp_path / "in", tmp_path / "first")
    (row,) = rows(made_from(first / "pairs.parquet", tmp_path / "again"))
    keys = ["pair_id", "original_sha256", "modified_sha256", "split"]
    assert [row[key] for key in keys] == [rows(first)[0][key] for key in keys]


def test_changes_in_the_tables_form_are_kept(tmp_path: Path) -> None:
    change = {"object": 3, "attribute": "color", "before": "red", "after": "blue"}
    file = write_manifest(tmp_path / "m.jsonl", {**paths(tmp_path, 1), "changes": [[change]]})
    (row,) = rows(made_from(file, tmp_path))
    assert row["changes"] == [change]


def test_a_changed_picture_is_not_up_to_date(tmp_path: Path) -> None:
    from stages.core.errors import InputError

    file = write_manifest(tmp_path / "m.csv", paths(tmp_path))
    made_from(file, tmp_path)
    photo(77).save(tmp_path / "pictures" / "n0_original.png")
    with pytest.raises(InputError, match="different inputs"):
        made_from(file, tmp_path)


def test_the_one_manifest_of_a_folder_is_found(tmp_path: Path) -> None:
    cells = paths(tmp_path / "in", 1)
    for role in ("original", "modified"):
        (tmp_path / "in" / cells[role][0]).rename(tmp_path / "in" / f"{role}.png")
    write_manifest(tmp_path / "in" / "m.csv", {"original": ["original.png"], "modified": ["modified.png"]})
    assert [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["m-000001"]


def test_no_more_rows_are_read_than_wanted(tmp_path: Path) -> None:
    lines = [
        json.dumps({"original": one, "modified": other})
        for one, other in zip(*paths(tmp_path, 1).values(), strict=True)
    ]
    (tmp_path / "m.jsonl").write_text("\n".join([*lines, "broken"]))
    out = made_from(tmp_path / "m.jsonl", tmp_path, "games.pairs=1")
    assert len(tables.read(out / "pairs.parquet", tables.PAIRS)) == 1


def test_a_line_of_json_may_know_more_than_the_first(tmp_path: Path) -> None:
    cells = paths(tmp_path, 3)
    lines: list[dict[str, Any]] = [
        dict(zip(cells, pair, strict=True)) for pair in zip(cells["original"], cells["modified"], strict=True)
    ]
    lines[1] |= {"split": "test", "instruction": "remove it"}
    (tmp_path / "m.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    found = rows(made_from(tmp_path / "m.jsonl", tmp_path, "games.test_fraction=0", "games.dev_fraction=0"))
    assert [row["split"] for row in found] == ["train", "test", "train"]
    assert [len(row["changes"]) for row in found] == [0, 1, 0]


def test_a_name_with_slashes_becomes_one_for_files(tmp_path: Path) -> None:
    file = write_manifest(tmp_path / "m.csv", {**paths(tmp_path), "id": ["coco/1.jpg", "coco/2.jpg"]})
    assert [row["pair_id"] for row in rows(made_from(file, tmp_path))] == ["coco-1.jpg", "coco-2.jpg"]


@pytest.mark.parametrize(("column", "names"), [("", ["m-000001", "m-000002"]), ("number", ["7", "8"])])
def test_the_column_of_names_can_be_chosen(tmp_path: Path, column: str, names: list[str]) -> None:
    file = write_manifest(tmp_path / "m.csv", {**paths(tmp_path), "id": ["same", "same"], "number": [7, 8]})
    with pytest.raises(InputError, match="the pair 'same' exists already, .* number the rows of a table with --set"):
        made_from(file, tmp_path)
    assert [row["pair_id"] for row in rows(made_from(file, tmp_path, f"games.ready.id={column!r}"))] == names


def test_a_missing_column_of_names_is_an_error(tmp_path: Path) -> None:
    file = write_manifest(tmp_path / "m.csv", paths(tmp_path))
    with pytest.raises(InputError, match=r"games\.ready\.id is 'x', but the columns are 'original', 'modified'"):
        made_from(file, tmp_path, "games.ready.id=x")


@pytest.mark.parametrize(("name", "mark"), [("m.csv", ";"), ("m.csv", "\t"), ("m.tsv", "\t"), ("m.tsv", ",")])
def test_cells_may_be_separated_otherwise(tmp_path: Path, name: str, mark: str) -> None:
    cells = {**paths(tmp_path), "instruction": ["remove it", "or not"]}
    pl.DataFrame(cells).write_csv(tmp_path / name, separator=mark)
    assert [row["changes"][0]["after"] for row in rows(made_from(tmp_path / name, tmp_path))] == cells["instruction"]


def test_a_missing_picture_is_skipped(tmp_path: Path) -> None:
    file = write_manifest(tmp_path / "m.csv", paths(tmp_path, 3))
    (tmp_path / "pictures" / "n1_modified.png").unlink()
    with pytest.raises(InputError, match=r"n1_modified\.png: no such picture; put it there"):
        made_from(file, tmp_path, "games.strict=true")
    out = made_from(file, tmp_path)
    assert len(rows(out)) == 2 and skipped(out) == {"m-000002": "unreadable"}


def test_paths_beside_pictures_in_cells_are_taken_when_named(tmp_path: Path) -> None:
    cells = paths(tmp_path, 1)
    file = tmp_path / "m.parquet"
    pl.DataFrame({"left": cells["original"], "right": cells["modified"], "thumbnail": [b"x"]}).write_parquet(file)
    (row,) = rows(made_from(file, tmp_path, "games.ready.original=left", "games.ready.modified=right"))
    assert row["pair_id"] == "m-000001"


def test_a_folder_of_vz_offers_its_pairs(tmp_path: Path) -> None:
    first = made_from(write_manifest(tmp_path / "m.csv", paths(tmp_path)), tmp_path / "a")
    again = made_from(first, tmp_path / "b")
    assert [row["original_sha256"] for row in rows(again)] == [row["original_sha256"] for row in rows(first)]


def test_a_blank_spy_reads_the_manifest_of_a_folder_too(tmp_path: Path) -> None:
    write_manifest(tmp_path / "in" / "m.csv", paths(tmp_path / "in"))
    (tmp_path / "in" / "pictures" / "n0_original.png").rename(tmp_path / "in" / "pictures" / "left.png")
    (tmp_path / "in" / "pictures" / "n1_original.png").rename(tmp_path / "in" / "pictures" / "right.png")
    for number, name in enumerate(("left", "right")):
        text = (tmp_path / "in" / "m.csv").read_text().replace(f"n{number}_original", name)
        (tmp_path / "in" / "m.csv").write_text(text)
    found = rows(made_from(tmp_path / "in", tmp_path, "game.spy_view=blank"))
    assert [row["pair_id"] for row in found] == ["m-000001", "m-000002"]  # no modified picture is shown to civilians
