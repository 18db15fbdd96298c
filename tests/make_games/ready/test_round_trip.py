"""What vz exports it can read again: the same pairs, whatever they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stages import export
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.make_games import Sources, run
from tests.make_games.ready.samples import edited, photo, recipe, rows

pytest.importorskip("datasets", reason="extra 'train' is not installed")
pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")

CHANGE = {"object": 1, "attribute": "Sales", "before": "2", "after": "5"}
SCENES = {
    "scene": json.dumps({"kind": "bar", "name": "Zürich"}),
    "modified_scene": json.dumps({"kind": "bar", "x": 1.5}),
}


def write_manifest(folder: Path, count: int = 12) -> Path:
    folder.mkdir()
    lines = []
    for number in range(count):
        photo(number).save(folder / f"{number}.png")
        edited(photo(number)).save(folder / f"{number}m.png")
        row: dict[str, Any] = {"pair_id": f"p{number:02d}", "original": f"{number}.png", "modified": f"{number}m.png"}
        lines.append(row if number % 2 else {**row, "domain": "chart", "changes": [CHANGE], **SCENES})
    (folder / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "pairs.jsonl"


def made(place: Path, out: Path, *overrides: str) -> artifact.Report:
    return run(recipe(*overrides), out, sources=Sources(ready=str(place)), processes=1)


def table(folder: Path) -> list[dict[str, Any]]:
    """The pairs without what they were made from, by name: a data set is ordered by split."""
    return sorted(({**row, "source": None} for row in rows(folder)), key=lambda row: str(row["pair_id"]))


@pytest.mark.parametrize("again", ["export", "pairs.parquet"])
def test_a_games_folder_comes_back_as_it_was(tmp_path: Path, again: str) -> None:
    noise = "games.noise={blank: 0.2, identical: 0.4}"
    first = made(write_manifest(tmp_path / "in"), tmp_path / "first", noise, "games.dev_fraction=0.3")
    assert min(first.counts["noise"].values()) > 0
    place = export.run(first.out, tmp_path / "set").out if again == "export" else first.out / "pairs.parquet"
    second = made(place, tmp_path / "second")
    assert table(second.out) == table(first.out)
    assert {row["domain"] for row in table(second.out)} == {"chart", "picture"}
    assert (second.counts["as_vz_made_them"], second.counts["skipped"]) == (12, {})


def test_a_blank_games_folder_comes_back_as_it_was(tmp_path: Path) -> None:
    blank = "game.spy_view=blank"
    first = made(write_manifest(tmp_path / "in"), tmp_path / "first", blank)
    second = made(export.run(first.out, tmp_path / "set").out, tmp_path / "second", blank)
    assert table(second.out) == table(first.out)
    assert json.loads(table(second.out)[0]["scene"]) == json.loads(SCENES["scene"])


def test_pictures_that_are_others_now_are_judged_again(tmp_path: Path) -> None:
    first = made(write_manifest(tmp_path / "in", 4), tmp_path / "first", "games.noise.identical=1")
    for file in (first.out / "images").iterdir():
        photo(100 + int(file.name[1:3])).save(file)
    with pytest.raises(InputError, match="no usable pairs: .*identical"):
        made(first.out / "pairs.parquet", tmp_path / "second")


def test_columns_of_other_data_sets_with_such_names_are_left_alone(tmp_path: Path) -> None:
    lines = [{"original": "0.png", "modified": "0m.png", "domain": "indoor", "scene": "a kitchen", "split": "train"}]
    write_manifest(tmp_path / "in", 1)
    (tmp_path / "in" / "pairs.jsonl").write_text(json.dumps(lines[0]))
    (row,) = rows(made(tmp_path / "in" / "pairs.jsonl", tmp_path / "out").out)
    assert (row["domain"], row["scene"]) == ("picture", None)
