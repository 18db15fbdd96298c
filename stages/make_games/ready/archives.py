"""Data sets that are published as archives, unpacked once beside where they were downloaded."""

from __future__ import annotations

import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from stages.core.errors import InputError, VzError
from stages.core.folder.disk import is_full
from stages.core.folder.durable import publish
from stages.make_games.ready.entry import one_line
from stages.make_games.ready.folder import MODIFIED, ORIGINAL

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
LEAST_FREE = 1 << 30  # bytes that unpacking leaves on the disk
BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError,
    ValueError,
)  # fmt: skip


def unpacked(folder: Path, into: Path) -> Path:
    """`folder`, or where it holds archives in place of pairs, `into` with what they hold.

    Unpacked in a hidden sibling that is renamed when whole. `InputError` names an archive that is broken or whose
    members would lie outside, and two that hold a file of one name; `VzError` when the disk has no room.
    """
    files = [file for file in folder.rglob("*") if file.is_file()]
    archives = sorted(file for file in files if file.name.lower().endswith(SUFFIXES))
    # A picture of its own, such as a logo, says nothing; pairs do.
    if not archives or any(file.suffix == ".parquet" or file.stem.endswith((ORIGINAL, MODIFIED)) for file in files):
        return folder
    if into.is_dir():
        return into
    work = into.with_name(f".{into.name}.{os.getpid()}.partial")
    _clear_what_was_killed(into)
    try:
        work.mkdir(parents=True)
        _unpack_all(archives, work)
        publish(work, into)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return into


def _clear_what_was_killed(into: Path) -> None:
    for left in into.parent.glob(f".{into.name}.*.partial"):
        if not Path("/proc", left.name.split(".")[-2]).exists():
            shutil.rmtree(left)


def _unpack_all(archives: Sequence[Path], into: Path) -> None:
    """One after the other into one folder, since pictures and their notes may be in two archives."""
    holders: dict[Path, Path] = {}
    for archive in archives:
        with TemporaryDirectory(dir=into, prefix=".") as alone:
            _unpack(archive, Path(alone))
            for file in sorted(path for path in Path(alone).rglob("*") if path.is_file()):
                name = file.relative_to(alone)
                if name in holders:
                    raise InputError(
                        f"{archive}: holds '{name}', as {holders[name].name} does; unpack each into a folder of its "
                        "own, and give one of these with --from"
                    )
                holders[name] = archive
                (into / name).parent.mkdir(parents=True, exist_ok=True)
                file.replace(into / name)


def _unpack(archive: Path, into: Path) -> None:
    try:
        if archive.suffix.lower() == ".zip":
            with zipfile.ZipFile(archive) as packed:
                _check(archive, ((member.filename, member.file_size) for member in packed.infolist()), into)
                packed.extractall(into)
        else:
            with tarfile.open(archive) as tape:
                _check(archive, ((member.name, member.size) for member in tape), into)
                _refuse_links(archive, tape)
                _read_to_the_end(tape)
                if hasattr(tarfile, "data_filter"):
                    tape.extraction_filter = tarfile.data_filter
                tape.extractall(into)
    except OSError as error:
        if is_full(error):
            raise _full(archive) from error
        raise InputError(f"{archive}: cannot be unpacked ({one_line(error)}); download it again") from error
    except BROKEN as error:
        raise InputError(f"{archive}: cannot be unpacked ({one_line(error)}); download it again") from error


def _read_to_the_end(tape: tarfile.TarFile) -> None:
    """Behind the last member is nothing of use, but the checksum of the compressed bytes is looked at only there."""
    while tape.fileobj is not None and tape.fileobj.read(1 << 20):
        pass


def _refuse_links(archive: Path, tape: tarfile.TarFile) -> None:
    """Links and devices may lead elsewhere; before Python 3.11.4 unpacking does not look."""
    for member in tape:
        if not (member.isfile() or member.isdir()):
            raise InputError(f"{archive}: its member '{member.name}' is a link or device; do not use it")


def _check(archive: Path, members: Iterable[tuple[str, int]], into: Path) -> None:
    """Refuse names that lead out of the folder, and more bytes than there is room for."""
    total = 0
    for name, size in members:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(f"{archive}: its member '{name}' would lie outside the folder; do not use it")
        total += size
    if total > shutil.disk_usage(into).free - LEAST_FREE:
        raise _full(archive)


def _full(archive: Path) -> VzError:
    return VzError(f"{archive}: the disk has no room for what it holds; free some, or set HF_HOME to another disk")
