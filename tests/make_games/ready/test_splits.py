"""No picture is in two splits: pairs of one original, or of one group, stay together."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from stages.core.folder.artifact import Report
from stages.make_games import Sources, run
from stages.make_games.ready.entry import Entry, FilePicture
from stages.make_games.ready.groups import splits_of
from tests.make_games.ready.samples import edited, made_from, photo, png, recipe, rows, struct, write_pair

HALVES = ["games.dev_fraction=0.4", "games.test_fraction=0.4"]  # so that strangers rarely share a split


def made(place: Path, out: Path) -> Report:
    return run(recipe(*HALVES), out / "games", sources=Sources(ready=str(place)), processes=1)


def write_originals(folder: Path, count: int, name: Callable[[int], str]) -> Path:
    """A manifest of pairs with one and the same original, each time under the path that `name` gives it."""
    folder.mkdir()
    lines = ["original,modified"]
    for number in range(count):
        photo().save(folder / name(number))
        changed = edited(photo())
        changed.putpixel((40, number), (0, 255, 0))
        changed.save(folder / f"m{number}.png")
        lines.append(f"{name(number)},m{number}.png")
    (folder / "pairs.csv").write_text("\n".join(lines))
    return folder / "pairs.csv"


@pytest.mark.parametrize("name", ["o.png", "o{}.png"], ids=["one file", "copies"])
def test_pairs_of_one_original_share_a_split(tmp_path: Path, name: str) -> None:
    report = made(write_originals(tmp_path / "in", 12, name.format), tmp_path)
    assert len({row["split"] for row in rows(report.out)}) == 1
    assert not [text for text in report.warnings if "more than one split" in text]


def test_copies_in_a_folder_share_a_split(tmp_path: Path) -> None:
    for number in range(12):
        write_pair(tmp_path / "in", f"copy{number}")
    assert len({row["split"] for row in rows(made_from(tmp_path / "in", tmp_path, *HALVES))}) == 1


def test_pairs_of_other_originals_keep_the_split_that_they_had_alone(tmp_path: Path) -> None:
    for number in range(8):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    before = {row["pair_id"]: row["split"] for row in rows(made_from(tmp_path / "in", tmp_path / "a", *HALVES))}
    assert len(set(before.values())) > 1
    shutil.copytree(tmp_path / "in", tmp_path / "more" / "in")
    copies = {f"{start}-copy{number}": f"pair{number}" for start in ("aa", "zz") for number in range(8)}
    for copy, pair in copies.items():
        write_pair(tmp_path / "more" / "in", copy, seed=int(pair[-1]))
    after = {row["pair_id"]: row["split"] for row in rows(made_from(tmp_path / "more" / "in", tmp_path / "b", *HALVES))}
    assert after == {**before, **{copy: before[pair] for copy, pair in copies.items()}}


def test_belonging_together_is_transitive() -> None:
    """A chain: the same original, then the same group, then the same original again."""

    def entry(name: str, original: str, group: str | None, split: str | None = None) -> Entry:
        return Entry(name, FilePicture(Path(original)), None, name, group=group, split=split)

    chain = [entry("a", "/x", None), entry("b", "/x", "g"), entry("c", "/y", "g"), entry("d", "/y", None, "test")]
    for order in itertools.permutations(chain):
        assert set(splits_of([*order, entry("e", "/z", "h", "dev")], {}, recipe()).values()) == {"test", "dev"}
        assert splits_of(order, {}, recipe())["a"] == "test"


def test_edits_made_one_after_the_other_share_a_split() -> None:
    """The modified picture of one pair is the original of the next."""

    def entry(number: int, split: str | None = None) -> Entry:
        one, other = (FilePicture(Path(f"/{name}")) for name in (number, number + 1))
        return Entry(str(number), one, other, str(number), split=split)

    chain = [entry(number) for number in range(20)]
    assert len(set(splits_of(chain, {}, recipe(*HALVES)).values())) == 1
    assert set(splits_of([*chain, entry(20, "dev")], {}, recipe(*HALVES)).values()) == {"dev"}


def test_one_empty_picture_for_many_pairs_joins_none() -> None:
    empty = FilePicture(Path("/empty"))
    pairs = [Entry(str(number), FilePicture(Path(f"/{number}")), empty, str(number)) for number in range(20)]
    assert len(set(splits_of(pairs, {}, recipe(*HALVES)).values())) == 3


@pytest.mark.parametrize("place", ["data/{}-00000-of-00001.parquet", "{}.parquet", "{}/part-0.parquet"])
def test_files_named_after_splits_are_in_these(tmp_path: Path, place: str) -> None:
    pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
    for number, name in enumerate(("test", "train", "validation")):
        file = tmp_path / "in" / place.format(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        original = photo(number)
        cells = {"original": [struct(png(original))], "modified": [struct(png(edited(original)))]}
        pl.DataFrame(cells).write_parquet(file)
    found = rows(made(tmp_path / "in", tmp_path).out)
    assert [row["split"] for row in found] == ["train", "test", "dev"]  # what trains comes first


def test_cells_with_one_original_in_two_splits_are_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
    cells = {"original": [struct(png(photo()))] * 12, "modified": [struct(png(edited(photo())))] * 12}
    pl.DataFrame(cells).write_parquet(tmp_path / "m.parquet")
    report = made(tmp_path / "m.parquet", tmp_path)
    (warning,) = [text for text in report.warnings if "more than one split" in text]
    assert warning.startswith("pictures in more than one split: 1, e.g. in the pairs 'm-0000")


def test_cells_of_edits_made_one_after_the_other_are_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="extra 'hub' is not installed")
    first, second = photo(), edited(photo())
    third = second.copy()
    third.paste((20, 250, 20), (30, 20, 50, 40))
    cells = {"original": [first, second], "modified": [second, third], "split": ["train", "test"]}
    in_cells = {name: [each if isinstance(each, str) else struct(png(each)) for each in cells[name]] for name in cells}
    pl.DataFrame(in_cells).write_parquet(tmp_path / "m.parquet")
    (warning,) = [text for text in made(tmp_path / "m.parquet", tmp_path).warnings if "more than one split" in text]
    assert warning.startswith("pictures in more than one split: 1, e.g. in the pairs 'm-000001' (train) and")
