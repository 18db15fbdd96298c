"""Pictures as people keep them: in stores behind links, among rubbish, with long names, in small folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.recipe import load
from stages.make_games.pair import safe_id, split_of, splits_of
from tests.make_games.ready.samples import made_from, photo, rows, write_pair

ANNEX = "SHA256E-s{size}--{sha256}.png"
DVC = "files/md5/{md5[0]}{md5[1]}/{rest}"
HUB = "blobs/{sha256}"


def in_store(folder: Path, store: Path, form: str) -> None:
    """Move each picture of the folder into the store, under the name that the store's program gives it; leave links."""
    for file in list(folder.iterdir()):
        data = file.read_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        names = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "md5": md5, "rest": md5[2:]}
        target = store / form.format(**names)
        target.parent.mkdir(parents=True, exist_ok=True)
        file.rename(target)
        file.symlink_to(target)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    write_pair(tmp_path / "data" / "p")
    file = tmp_path / "data" / "pairs.csv"
    file.write_text("original,modified\np/one_original.png,p/one_modified.png\n")
    return file


@pytest.mark.parametrize("form", [ANNEX, DVC, HUB])
def test_links_into_a_store_are_followed_since_the_hash_is_known(table: Path, tmp_path: Path, form: str) -> None:
    in_store(table.parent / "p", tmp_path / "store", form)
    assert len(rows(made_from(table, tmp_path))) == 1


def test_a_stored_picture_with_another_hash_is_refused(table: Path, tmp_path: Path) -> None:
    in_store(table.parent / "p", tmp_path / "store", HUB)
    (table.parent / "p/one_original.png").resolve().write_bytes(b"other")
    with pytest.raises(InputError, match="sha256 differs"):
        made_from(table, tmp_path)


@pytest.mark.parametrize("rubbish", ["@eaDir/x", "__MACOSX", "Thumbnails", "#recycle/old"])
def test_what_drives_and_bins_leave_is_no_picture(tmp_path: Path, rubbish: str) -> None:
    write_pair(tmp_path / "in", "real")
    write_pair(tmp_path / "in" / rubbish, "other", seed=1)
    photo(2).save(tmp_path / "in" / "._real_original.png")
    assert [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))] == ["real"]


def test_long_names_are_shortened_and_stay_apart(tmp_path: Path) -> None:
    deep = tmp_path / "in" / ("Average harmonised learning outcome score " * 3).strip()
    for number in range(2):
        write_pair(deep, f"{'a photograph of something, ' * 6}{number}", seed=number)
    names = [row["pair_id"] for row in rows(made_from(tmp_path / "in", tmp_path))]
    assert len(set(names)) == 2 and all(len(name.encode()) <= 200 for name in names)


@pytest.mark.parametrize("name", ["a/b", "..", "a:b", "東京" * 60, "caf\udce9", " x ", "\n"])
def test_every_name_becomes_one_for_files_and_others_stay_others(name: str) -> None:
    made = safe_id(name)
    assert made != safe_id(name + "?") and made == safe_id(made)
    assert "/" not in made and made.isprintable() and 0 < len(made.encode()) <= 200


@pytest.mark.parametrize(
    ("count", "splits"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (5, (3, 1, 1)), (10, (8, 1, 1))]
)
def test_no_split_stays_empty_in_a_small_folder(tmp_path: Path, count: int, splits: tuple[int, int, int]) -> None:
    for number in range(count):
        write_pair(tmp_path / "in", f"pair{number}", seed=number)
    found = [row["split"] for row in rows(made_from(tmp_path / "in", tmp_path, "games.test_fraction=0.1"))]
    least = tuple(found.count(name) for name in ("train", "dev", "test"))
    assert sum(least) == count and all(have >= min(want, 1) for have, want in zip(least, splits, strict=True))


def test_in_a_large_folder_a_pair_keeps_its_split_when_others_are_added() -> None:
    recipe, names = load("tiny"), [f"pair-{number}" for number in range(400)]
    assert splits_of(recipe, names) == {name: split_of(recipe, name) for name in names}
