"""Data sets on the Hugging Face hub: downloads each once, unpacks its archives next to it, and reads it as a folder."""

from __future__ import annotations

import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from stages.core.errors import InputError, VzError, require
from stages.core.folder.faults import is_disk_full
from stages.core.folder.files import replace_folder
from stages.core.folder.locking import locked
from stages.make_games.ready.entry import one_line

PREFIX = "hf:"
EXTRA = "hub"
NAME = re.compile(r"hf:(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[^:\s]+))?(:(?P<split>[\w.-]+))?")
COMMIT = re.compile(r"[0-9a-f]{40}")
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError,
    ValueError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class Got:
    """A downloaded data set. `label` names it with its commit; links in it may lead anywhere below `root`."""

    folder: Path
    root: Path
    name: str
    label: str
    split: str | None


def fetch(where: str) -> Got:
    """Download `hf:OWNER/NAME[@REVISION][:SPLIT]`, or find it in the hub's cache, and unpack its archives there.

    `InputError` says what is wrong with the name; `VzError` says why the download failed, and what to do instead.
    """
    match = NAME.fullmatch(where)
    if match is None:
        raise InputError(f"{where}: write a data set on the hub as hf:OWNER/NAME, hf:OWNER/NAME@REVISION or …:SPLIT")
    name, revision, split = match["name"], match["revision"], match["split"]
    snapshot = Path(_download(where, name, revision, split))
    if not COMMIT.fullmatch(snapshot.name):
        raise VzError(
            f"{snapshot}: the hub's library put {name} here, but no commit names it; give this folder instead"
        )
    root = snapshot.parents[1]  # the links in a snapshot lead to blobs/ next to snapshots/
    label = f"{PREFIX}{name}@{snapshot.name}" + (f":{split}" if split else "")
    return Got(unpacked(snapshot, root / "unpacked" / snapshot.name), root, name, label, split)


def unpacked(folder: Path, into: Path) -> Path:
    """`folder`; or, if it holds archives instead of pairs, `into` with their content."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    archives = sorted(file for file in files if file.name.lower().endswith(ARCHIVES))
    # A single picture, such as a logo, does not count; pairs do.
    if not archives or any(file.suffix == ".parquet" or file.stem.endswith("_original") for file in files):
        return folder
    with locked(into):
        if not into.is_dir():
            work = into.with_name(f".{into.name}.partial")
            shutil.rmtree(work, ignore_errors=True)  # left by a killed run
            work.mkdir()
            try:
                _unpack_all(archives, work)
                replace_folder(work, into)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return into


def _unpack_all(archives: Sequence[Path], into: Path) -> None:
    """Unpack all archives into one folder, since pictures and their notes may be in two archives."""
    for archive in archives:
        with TemporaryDirectory(dir=into, prefix=".") as alone:
            _unpack(archive, Path(alone))
            for file in sorted(path for path in Path(alone).rglob("*") if path.is_file()):
                target = into / file.relative_to(alone)
                if target.exists():
                    raise InputError(
                        f"{archive}: holds '{file.relative_to(alone)}', as another archive does; unpack each into its "
                        "own folder, and give one of these with --from"
                    )
                target.parent.mkdir(parents=True, exist_ok=True)
                file.replace(target)


def _unpack(archive: Path, into: Path) -> None:
    """`InputError` if the archive is broken or holds a link, a device or a path outside the folder."""
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as packed:
                for name in packed.namelist():
                    _check(archive, name)
                packed.extractall(into)
            return
        with tarfile.open(archive) as tape:
            for member in tape:
                _check(archive, member.name)
                if not (member.isfile() or member.isdir()):
                    raise InputError(f"{archive}: its member '{member.name}' is a link or device; do not use it")
            while tape.fileobj is not None and tape.fileobj.read(1 << 20):  # the checksum is checked only at the end
                pass
            tape.extraction_filter = getattr(tarfile, "data_filter", None)
            tape.extractall(into)
    except BROKEN as error:
        if is_disk_full(error):
            raise VzError(
                f"{archive}: the disk is full; free some space, or set HF_HOME to a folder on another disk"
            ) from error
        raise InputError(f"{archive}: cannot be unpacked ({one_line(error)}); download it again") from error


def _check(archive: Path, member: str) -> None:
    if Path(member).is_absolute() or ".." in Path(member).parts:
        raise InputError(f"{archive}: its member '{member}' would be outside the folder; do not use it")


def _download(where: str, name: str, revision: str | None, split: str | None) -> str:
    library = require("huggingface_hub", EXTRA)
    patterns = None
    if split:
        patterns = [f"{start}{split}{end}" for start in ("", "*/") for end in ("-*.parquet", "/*.parquet", ".parquet")]
    try:
        return str(library.snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=patterns))
    except Exception as error:  # the classes depend on the library's HTTP client
        raise _explained(error, where, name, revision, require("huggingface_hub.errors", EXTRA)) from error


def _explained(error: Exception, where: str, name: str, revision: str | None, kinds: ModuleType) -> VzError:
    page = f"https://huggingface.co/datasets/{name}"
    if isinstance(error, kinds.GatedRepoError):
        return InputError(f"{where}: requires consent; accept its terms at {page}, then run `hf auth login`")
    if isinstance(error, kinds.RepositoryNotFoundError):
        return InputError(f"{where}: no such data set; see {page}, and run `hf auth login` first if it is private")
    if isinstance(error, kinds.RevisionNotFoundError):
        return InputError(f"{where}: has no revision '{revision}'; see {page}/tree/main for its revisions")
    if isinstance(error, OSError) and is_disk_full(error):
        return VzError(f"{where}: the disk is full; free some space, or set HF_HOME to a folder on another disk")
    command = f"hf download {name} --repo-type dataset --local-dir FOLDER"
    return VzError(
        f"{where}: cannot be downloaded ({type(error).__name__}: {one_line(error)}); on a machine with a network, run "
        f"`{command}`, and give that folder with --from FOLDER"
    )
