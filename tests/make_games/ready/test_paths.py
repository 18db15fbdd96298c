"""Paths in manifests: which are taken, which are refused, and that the remedies in the messages work."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from stages.core.errors import InputError
from tests.make_games.ready.samples import made_from, rows, write_pair
from tests.make_games.ready.test_manifests import Cells, paths, write_manifest


def absolute(cells: Cells, start: str) -> Cells:
    return {name: [f"{start}/{path}" for path in column] for name, column in cells.items()}


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_an_absolute_path_in_the_folder_is_the_relative_one(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    cells = paths(data)
    relative = rows(made_from(write_manifest(data / f"pairs.{kind}", cells), tmp_path / "one"))
    made = made_from(write_manifest(data / f"pairs.{kind}", absolute(cells, str(data))), tmp_path / "two")
    assert len(relative) == 2 and rows(made) == relative


@pytest.mark.parametrize("spelling", ["as the manifest", "without the link", "by the link", "by ..", "two slashes"])
def test_the_folder_may_be_spelt_otherwise(tmp_path: Path, spelling: str) -> None:
    data, link = tmp_path / "data", tmp_path / "link"
    cells = paths(data)
    link.symlink_to(data)
    by_link = spelling in ("as the manifest", "without the link")
    start = {"as the manifest": str(link), "by the link": str(link), "by ..": f"{data}/pictures/.."}
    named = start.get(spelling, str(data)) if spelling != "two slashes" else f"/{data}"
    write_manifest(data / "pairs.csv", absolute(cells, named))
    assert len(rows(made_from((link if by_link else data) / "pairs.csv", tmp_path))) == 2


def test_a_relative_folder_is_known_by_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_manifest(tmp_path / "pairs.csv", absolute(paths(tmp_path), str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    assert len(rows(made_from("pairs.csv", tmp_path / "out"))) == 2


def test_a_name_that_begins_alike_is_outside(tmp_path: Path) -> None:
    cells = absolute(paths(tmp_path / "data-more"), str(tmp_path / "data-more"))
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match=r"line 2: .* is a path outside the folder .*/data;"):
        made_from(write_manifest(tmp_path / "data/m.csv", cells), tmp_path)


def test_a_zero_byte_is_no_path(tmp_path: Path) -> None:
    file = write_manifest(tmp_path / "m.jsonl", {"original": ["a\0.png"], "modified": ["b.png"]})
    with pytest.raises(InputError, match="line 1: .* contains a zero byte"):
        made_from(file, tmp_path)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A manifest of absolute paths whose pictures lie in another folder."""
    cells = absolute(paths(tmp_path / "store"), str(tmp_path / "store"))
    (tmp_path / "tables").mkdir()
    return write_manifest(tmp_path / "tables/m.csv", cells)


def refusal(place: Path, out: Path) -> str:
    with pytest.raises(InputError) as caught:
        made_from(place, out)
    return str(caught.value)


@pytest.mark.parametrize("folder", ["store", "store/pictures", "", "/"])
def test_the_remedies_for_absolute_paths_work(elsewhere: Path, tmp_path: Path, folder: str) -> None:
    told = refusal(elsewhere, tmp_path)
    assert f"m.csv: line 2: '{tmp_path}/store/pictures/n0_original.png' is a path outside the folder" in told
    named, every = re.findall(r"--set (games\.ready\.pictures=\S+)", told)
    override = every if folder == "/" else named.replace("FOLDER;", str(tmp_path / folder))
    assert len(rows(made_from(elsewhere, tmp_path, override))) == 2


def test_the_remedies_for_paths_that_lead_up_work(tmp_path: Path) -> None:
    cells = paths(tmp_path / "store")
    (tmp_path / "tables").mkdir()
    file = write_manifest(tmp_path / "tables/m.csv", absolute(cells, "../store"))
    told = refusal(file, tmp_path)
    assert "write paths without '..', or absolute ones" in told
    named, every = re.findall(r"--set (games\.ready\.pictures=\S+)", told)
    write_manifest(file, absolute(cells, "store"))
    assert len(rows(made_from(file, tmp_path / "one", named.replace("FOLDER;", str(tmp_path))))) == 2
    write_manifest(file, absolute(cells, str(tmp_path / "store")))
    assert len(rows(made_from(file, tmp_path / "two", every))) == 2


@pytest.mark.parametrize("work", ["elsewhere", "data"])
@pytest.mark.parametrize("setting", [False, True])
def test_the_remedy_for_links_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, setting: bool) -> None:
    data = tmp_path / "data set"
    (data / "pictures").mkdir(parents=True)
    for file in write_pair(tmp_path / "store"):
        (data / "pictures" / file.name).symlink_to(os.path.relpath(file, data / "pictures"))
    cells = {role: [f"pictures/one_{role}.png"] for role in ("original", "modified")}
    manifest = write_manifest((tmp_path if setting else data) / "m.csv", cells)
    overrides = [f"games.ready.pictures={data}"] if setting else []
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere" if work == "elsewhere" else data)
    with pytest.raises(InputError, match="links out of the folder") as caught:
        made_from(manifest, tmp_path, *overrides)
    found = re.search(r"with (cp .*), and give (--from|--set games\.ready\.pictures=) ?'(.*)'$", str(caught.value))
    assert found is not None
    subprocess.run(found[1], shell=True, check=True)
    if setting:
        made = made_from(manifest, tmp_path, f"games.ready.pictures={found[3]}")
    else:
        made = made_from(found[3], tmp_path)
    assert len(rows(made)) == 1
    assert manifest.exists() and (data / "pictures/one_original.png").is_symlink()
