"""Turns the many errors of full disks, exhausted memory and damaged files into one error with the file and a remedy.

Libraries word these errors differently, and mostly without a file name. So vz relies less on the wording than on facts:
whether the disk has room, and whether files still match their manifest.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from polars.exceptions import PanicException

from stages.core.errors import InputError, VzError, first_line
from stages.core.folder.content import MANIFEST, damaged_files
from stages.core.folder.files import size_of
from stages.core.folder.manifest import manifest_of

ROOM = 2**16  # bytes; with less, a failed write may mean that the disk is full
_SAID = "the disk is full"
# How libraries word ENOSPC and EDQUOT: Rust, safetensors, C.
_FULL = ("os error 28)", "os error 122)", "code: 28", "code: 122", "No space left", "Disk quota exceeded")

# How Python, torch and Polars say that the system has no more threads or memory.
_SHORT = ("can't start new thread", "can't allocate memory", "Cannot allocate memory", "failed to spawn thread")


@contextmanager
def disk_full_is_an_error(out: Path) -> Iterator[None]:
    """Turn the many errors of a full disk or quota into one `VzError` that says how to continue."""
    try:
        yield
    except Exception as error:
        is_said = isinstance(error, VzError) and _SAID in str(error)
        if is_said or (not is_disk_full(error) and (isinstance(error, VzError) or _has_room(out))):
            raise
        raise VzError(f"{out}: {_SAID}; free some space and repeat the command: finished work is kept") from error


def is_disk_full(error: BaseException) -> bool:
    """Whether the error, or its cause, is a full disk or quota."""
    return any(
        (isinstance(each, OSError) and each.errno in {errno.ENOSPC, errno.EDQUOT})
        or any(words in str(each) for words in _FULL)
        for each in _causes(error)
    )


@contextmanager
def shortage_is_an_error(out: Path) -> Iterator[None]:
    """Turn the errors of a machine with no memory or threads left into one `VzError` that says how to continue."""
    try:
        yield
    except VzError:
        raise
    except (Exception, PanicException) as error:
        if not any(_is_shortage(each) for each in _causes(error)):
            raise
        raise VzError(
            f"{out}: the system has no more memory or threads ({first_line(error)}); end other programs or raise the "
            "limit (ulimit -a), then repeat the command: finished work is kept"
        ) from error


def _is_shortage(error: BaseException) -> bool:
    of_system = isinstance(error, OSError) and error.errno in {errno.ENOMEM, errno.EAGAIN}
    return of_system or isinstance(error, MemoryError) or any(words in str(error) for words in _SHORT)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes, and the members of groups; each once, since a member may have caused its group."""
    waiting: list[BaseException | None] = [error]
    seen: list[BaseException] = []
    while waiting:
        each = waiting.pop(0)
        if each is None or any(each is other for other in seen):
            continue
        seen.append(each)
        yield each
        waiting.append(each.__cause__ or each.__context__)
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def _has_room(out: Path) -> bool:
    place = next(folder for folder in (out, *out.resolve().parents) if folder.exists())
    return shutil.disk_usage(place).free >= ROOM


@contextmanager
def damage_is_named(*places: Path | str) -> Iterator[None]:
    """Turn an error that a damaged vz output may have caused into an `InputError` that names the file.

    `places` are what the block reads. After an error, their files, and those of the outputs that they were made from,
    are compared with their recorded hashes.
    """
    try:
        yield
    except VzError:
        raise
    except (Exception, PanicException) as error:  # a Polars panic is not an Exception
        refuse_damaged(error, *places)
        raise


def refuse_damaged(error: BaseException, *places: Path | str) -> None:
    """`InputError` for the first damaged file in these outputs, or in those that they were made from."""
    for folder in _outputs_behind(places):
        for file in _damaged(folder):
            raise InputError(
                f"{file}: has changed since vz wrote it, and cannot be used ({first_line(error)}); repeat the command "
                f"that made {folder} with --overwrite"
            ) from error


def _outputs_behind(places: tuple[Path | str, ...]) -> Iterator[Path]:
    """The output folders among `places`, those in a run, and those that they were made from; each once."""
    waiting, seen = [Path(place) for place in places], set()
    while waiting:
        folder = waiting.pop(0)
        if size_of(folder / MANIFEST) is None or folder.resolve() in seen:
            continue
        seen.add(folder.resolve())
        yield folder
        waiting += [file.parent for file in sorted(folder.glob(f"*/*/{MANIFEST}"))]
        with suppress(InputError, LookupError, TypeError, AttributeError):  # the manifest itself may be damaged
            inputs = manifest_of(folder)["inputs"].values()
            waiting += [Path(os.path.normpath(folder.resolve() / made["path"])) for made in inputs]


def _damaged(folder: Path) -> list[Path]:
    try:
        return damaged_files(folder, manifest_of(folder).get("outputs", {}), full=True)
    except (InputError, LookupError, TypeError, AttributeError):
        return [folder / MANIFEST]
