"""Data sets of the hub, without a network: a stand-in for the download."""

from __future__ import annotations

import io
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.core.errors import InputError, MissingExtra, VzError
from stages.core.folder.artifact import manifest_of
from stages.make_games.ready.hub import _unpack
from tests.make_games.ready.samples import made_from, photo, png, rows, write_cells, write_pair

huggingface_hub = pytest.importorskip("huggingface_hub", reason="extra 'hub' is not installed")
errors = pytest.importorskip("huggingface_hub.errors")
COMMIT = "0123456789abcdef0123456789abcdef01234567"

Fill = Callable[[Path], object]


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What was asked of the hub; `fill` writes what a fresh snapshot holds."""
    seen = SimpleNamespace(fill=None, calls=[])
    snapshot = tmp_path / "hub" / "datasets--o--n" / "snapshots" / COMMIT

    def download(name: str, **options: Any) -> str:
        seen.calls.append((name, options))
        if not snapshot.exists():
            snapshot.mkdir(parents=True)
            seen.fill(snapshot)
        return str(snapshot)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return seen


def test_the_published_layout_comes_from_the_hub(asked: SimpleNamespace, tmp_path: Path) -> None:
    asked.fill = lambda folder: write_pair(folder / "replacement_images")
    out = made_from("hf:Qinsi1/Vision-Zero-chart-dataset", tmp_path)
    (row,) = rows(out)
    label = f"hf:Qinsi1/Vision-Zero-chart-dataset@{COMMIT}"
    assert (row["domain"], row["source"]) == ("chart", label)
    assert manifest_of(out)["inputs"]["pictures"]["path"] == label
    assert asked.calls[0][0] == "Qinsi1/Vision-Zero-chart-dataset"
    assert asked.calls[0][1]["repo_type"] == "dataset"


def test_links_into_the_cache_are_followed(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        blobs = folder.parents[1] / "blobs"
        write_pair(blobs)
        for file in list(blobs.iterdir()):
            (folder / file.name.replace("_", "-")).symlink_to(file)
        (folder / "pairs.csv").write_text("original,modified\none-original.png,one-modified.png\n")

    asked.fill = fill
    assert rows(made_from("hf:o/n", tmp_path))[0]["pair_id"] == "pairs-000001"


def test_the_librarys_own_cache_serves_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(VzError, match="on a machine with a network, run `hf download o/n"):
        made_from("hf:o/n", tmp_path)
    cache = tmp_path / "hub" / "datasets--o--n"
    write_pair(cache / "snapshots" / COMMIT / "replacement_images")
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(COMMIT)
    assert rows(made_from("hf:o/n", tmp_path))[0]["source"] == f"hf:o/n@{COMMIT}"


def test_links_out_of_the_cache_are_refused(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        one, _ = write_pair(tmp_path / "private")
        (folder / "a.png").symlink_to(one)
        (folder / "pairs.csv").write_text("original,modified\na.png,a.png\n")

    asked.fill = fill
    with pytest.raises(InputError, match=r"pairs\.csv: line 2: 'a\.png' links out of the folder"):
        made_from("hf:o/n", tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_archives_are_unpacked_once(asked: SimpleNamespace, tmp_path: Path, kind: str) -> None:
    def fill(folder: Path) -> None:
        (folder / "logo.png").write_bytes(png(photo(8)))
        files = write_pair(tmp_path / "packed" / "output" / "replacement_images")
        names = [str(file.relative_to(tmp_path / "packed")) for file in files]
        if kind == "zip":
            with zipfile.ZipFile(folder / "data.zip", "w") as archive:
                for file, name in zip(files, names, strict=True):
                    archive.write(file, name)
        else:
            with tarfile.open(folder / "data.tar.gz", "w:gz") as tape:
                for file, name in zip(files, names, strict=True):
                    tape.add(file, name)

    asked.fill = fill
    first = rows(made_from("hf:Qinsi1/Vision-Zero-clevr-dataset", tmp_path / "one"))
    unpacked = tmp_path / "hub" / "datasets--o--n" / "unpacked" / COMMIT
    stamp = unpacked.stat().st_ino
    again = rows(made_from("hf:Qinsi1/Vision-Zero-clevr-dataset", tmp_path / "two"))
    assert first == again
    assert (first[0]["pair_id"], first[0]["domain"]) == ("one", "clevr")
    assert unpacked.stat().st_ino == stamp
    assert [path.name for path in unpacked.parent.iterdir()] == [COMMIT]


def test_an_archive_that_would_write_elsewhere_is_refused(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        with tarfile.open(folder / "data.tar", "w") as tape:
            member = tarfile.TarInfo("../../evil.png")
            member.size = 1
            tape.addfile(member, io.BytesIO(b"x"))

    asked.fill = fill
    with pytest.raises(InputError, match=r"data\.tar: its member '\.\./\.\./evil\.png' would be outside"):
        made_from("hf:o/n", tmp_path)


def test_a_broken_archive_is_named(asked: SimpleNamespace, tmp_path: Path) -> None:
    asked.fill = lambda folder: (folder / "data.zip").write_bytes(b"no zip")
    with pytest.raises(InputError, match=r"data\.zip: cannot be unpacked"):
        made_from("hf:o/n", tmp_path)
    assert not (tmp_path / "hub" / "datasets--o--n" / "unpacked" / COMMIT).exists()


def test_a_split_and_a_revision_are_asked_for(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        (folder / "data").mkdir()
        write_cells(folder / "data" / "train-00000-of-00001.parquet", count=2)
        write_cells(folder / "data" / "dev-00000-of-00001.parquet", count=1)

    asked.fill = fill
    out = made_from("hf:osunlp/MagicBrush@refs/pr/2:dev", tmp_path)
    assert [row["pair_id"] for row in rows(out)] == ["data-dev-00000-of-00001-000001"]
    assert rows(out)[0]["source"] == f"hf:osunlp/MagicBrush@{COMMIT}:dev"
    assert asked.calls[0][1]["revision"] == "refs/pr/2"
    assert "*/dev-*.parquet" in asked.calls[0][1]["allow_patterns"]


def test_a_split_that_is_not_there_is_named(asked: SimpleNamespace, tmp_path: Path) -> None:
    asked.fill = lambda folder: write_cells(folder / "train.parquet", count=1)
    with pytest.raises(InputError, match="named after the split 'dev'"):
        made_from("hf:o/n:dev", tmp_path)


def response() -> Any:
    """What the hub's errors are made from."""
    return SimpleNamespace(headers={}, request=SimpleNamespace(url="x", method="GET"), status_code=404, text="")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (errors.OfflineModeIsEnabled("offline mode is on"), VzError, r"hf download o/n --repo-type dataset"),
        (
            errors.LocalEntryNotFoundError("cannot find it\nmore"),
            VzError,
            r"cannot find it more\); on a machine with a network",
        ),
        (ConnectionError("no route"), VzError, r"cannot be downloaded \(ConnectionError: no route\)"),
        (TimeoutError(), VzError, r"TimeoutError: TimeoutError"),
        (errors.RepositoryNotFoundError("404", response=response()), InputError, "no such data set"),
        (errors.GatedRepoError("403", response=response()), InputError, "accept its terms"),
        (errors.RevisionNotFoundError("404", response=response()), InputError, "has no revision 'v9'"),
        (OSError(28, "No space left on device"), VzError, "the disk is full"),
    ],
)
def test_an_error_of_the_hub_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, kind: type[VzError], message: str
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(VzError, match=message) as caught:
        made_from("hf:o/n@v9", tmp_path)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf:", "hf:alone", "hf:a/b/c", "hf:a/b@", "hf:a/b:c:d"])
def test_a_malformed_name_is_explained(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="hf:OWNER/NAME"):
        made_from(name, tmp_path)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra, match=r"vz-selfplay\[hub\]"):
        made_from("hf:o/n", tmp_path)


def test_a_link_in_an_archive_is_refused(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        link = tarfile.TarInfo("a_original.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        with tarfile.open(folder / "data.tar", "w") as tape:
            tape.addfile(link)

    asked.fill = fill
    with pytest.raises(InputError, match=r"data\.tar: its member 'a_original\.png' is a link or device"):
        made_from("hf:o/n", tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_an_archive_damaged_in_the_middle_is_named(tmp_path: Path, kind: str) -> None:
    """Decoders say so each in its own way."""
    (tmp_path / "into").mkdir()
    noise = np.random.default_rng(0).integers(48, 58, 200_000, dtype=np.uint8).tobytes()
    file = tmp_path / f"data.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.txt", noise)
    else:
        with tarfile.open(file, f"w:{kind.removeprefix('tar.')}") as tape:
            member = tarfile.TarInfo("a.txt")
            member.size = len(noise)
            tape.addfile(member, io.BytesIO(noise))
    data = bytearray(file.read_bytes())
    data[len(data) * 2 // 3 : len(data) * 2 // 3 + 60] = b"\xff" * 60
    file.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"data\..*: cannot be unpacked \(.*\); download it again"):
        _unpack(file, tmp_path / "into")


def test_two_archives_with_files_of_one_name_are_refused(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        for number, name in enumerate(("test.zip", "train.zip")):
            files = write_pair(tmp_path / name, seed=number)
            with zipfile.ZipFile(folder / name, "w") as archive:
                for file in files:
                    archive.write(file, f"images/{file.name}")

    asked.fill = fill
    with pytest.raises(
        InputError, match=r"train\.zip: holds 'images/one_.*', as another archive does; unpack each into"
    ):
        made_from("hf:o/n", tmp_path)


def test_what_a_kill_left_of_unpacking_is_removed(asked: SimpleNamespace, tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        with zipfile.ZipFile(folder / "data.zip", "w") as archive:
            for file in write_pair(tmp_path / "packed"):
                archive.write(file, file.name)

    asked.fill = fill
    unpacked = tmp_path / "hub" / "datasets--o--n" / "unpacked"
    left = unpacked / f".{COMMIT}.partial"
    left.mkdir(parents=True)
    made_from("hf:o/n", tmp_path)
    assert not left.exists()
