"""A stage's output folder: atomic, described by a manifest, resumable, locked.

`produce` gives every stage the same manners. Work happens in a hidden sibling (`.name.partial`) that is renamed when
whole. The same inputs and settings again are "up to date"; other ones are refused unless `overwrite`; an interrupted
stage finds its hidden folder again and goes on.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from stages.core.disk import room_for
from stages.core.errors import InputError
from stages.core.files import read_json, sha256_file, sha256_text, to_json, write_json

MANIFEST = "manifest.json"
CLAIM = ".claim.json"  # in the work folder: what is being made, until it is
FORMAT = 1
PICTURES = {
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".bmp",
    ".gif",
    ".tif",
    ".tiff",
    ".avif",
}  # covered by the hashes in pairs.parquet
NOT_COMPARABLE = {MANIFEST, "timings.json"}
REPORTED_PACKAGES = [
    "vz-selfplay",
    "polars",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "mitsuba",
    "vllm",
    "datasets",
    "matplotlib",
]

Settings = Mapping[str, Any]


@dataclass
class Outcome:
    """What a stage's work came to: counts that add up, warnings for the reader, figures that take time."""

    counts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What `run` of every stage returns, and `--json` prints."""

    stage: str
    out: Path
    status: str  # "done" or "up to date"
    counts: dict[str, Any]
    warnings: list[str]
    timings: dict[str, float]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "out": str(self.out)}


def produce(
    out: Path,
    *,
    stage: str,
    settings: Settings,
    inputs: Mapping[str, Path | str],
    make: Callable[[Path], Outcome],
    overwrite: bool = False,
    resumable: bool = False,
) -> Report:
    """Run `make(work_folder)` and publish the folder as `out`.

    A `resumable` maker finds its own unfinished files again after a kill or a failure; others begin anew.

    `settings` is all that decides the result besides `inputs` (resolved recipe sections, the seed). An input that is
    a string is a hub name. Raises `InputError` when `out` holds something else and `overwrite` is not given.
    """
    out = out.resolve()
    refuse_to_replace_an_input(out, inputs)
    claim = _claim(stage, settings, inputs)
    with room_for(out), locked(out):
        if up_to_date(out, claim["fingerprint"], overwrite):
            return _report(out, read_json(out / MANIFEST), "up to date")
        _refuse_foreign(out, stage, overwrite)
        work = _open_work(out, claim, overwrite, resumable)
        started = time.time()
        try:
            outcome = make(work)
        except BaseException:
            if not resumable or _is_empty(work):  # nothing in it is worth keeping, and bad input will be mended
                shutil.rmtree(work)
            raise
        manifest = _manifest(claim, work, outcome, out, inputs, started)
        write_json(work / MANIFEST, manifest)
        _publish(work, out)
        (out / CLAIM).unlink()  # only now: a kill before the renaming must find whose work this is
        return _report(out, manifest, "done")


def up_to_date(out: Path, fingerprint: str, overwrite: bool = False) -> bool:
    """Whether `out` was made from the same inputs and settings. What was lost of it since is an error, or remade."""
    if not (out / MANIFEST).is_file():
        return False
    manifest = read_json(out / MANIFEST)
    if manifest.get("fingerprint") != fingerprint:
        return False
    for name, what in manifest["outputs"].items():
        if not (out / name).is_file() or (out / name).stat().st_size != what["bytes"]:
            if overwrite:
                return False
            raise InputError(f"{out / name}: missing or changed since it was made; use --overwrite to make it again")
    return True


def manifest_of(folder: Path, stage: str | None = None) -> dict[str, Any]:
    """The manifest of a stage's folder; `InputError` if it is none, or another stage's."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if not (folder / MANIFEST).is_file():
        inside = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
        hint = f"; it holds outputs named {', '.join(inside)}" if inside else ""
        raise InputError(f"{folder}: holds no {MANIFEST}, so it is no finished output of a stage{hint}")
    manifest: dict[str, Any] = read_json(folder / MANIFEST)
    if stage is not None and manifest["stage"] != stage:
        raise InputError(f"{folder}: is an output of '{manifest['stage']}', but one of '{stage}' is needed here")
    return manifest


def input_of(folder: Path, name: str) -> Path:
    """Where the input `name` of the stage that made `folder` lies, as its manifest records it."""
    manifest = manifest_of(folder)
    if name not in manifest["inputs"]:
        raise InputError(f"{folder}: its manifest names no input '{name}'; give the folder on the command line")
    path = Path(os.path.normpath(folder.resolve() / manifest["inputs"][name]["path"]))
    if not path.exists():
        raise InputError(f"{path}: the {name} that {folder} was made from is gone; give its place on the command line")
    return path


def content_hash(source: Path | str) -> str:
    """What an input holds, as a hash: a file's bytes, a folder's comparable files, or a hub name."""
    path = Path(source)
    if isinstance(source, str) and not path.exists():
        return sha256_text(source)
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    files = sorted(file for file in path.rglob("*") if file.is_file() and not _hidden(file.relative_to(path)))
    lines = [f"{file.relative_to(path)} {_hash_or_size(file)}" for file in files if file.name not in NOT_COMPARABLE]
    return sha256_text("\n".join(lines))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _hash_or_size(file: Path) -> str:
    status = file.stat()
    return str(status.st_size) if _is_picture(file) else _file_hash(file, status.st_size, status.st_mtime_ns)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURES


@lru_cache(maxsize=4096)
def _file_hash(file: Path, size: int, modified: int) -> str:
    """Remembered while the file's size and time stay: a round asks for the same weights several times."""
    return sha256_file(file)


def _claim(stage: str, settings: Settings, inputs: Mapping[str, Path | str]) -> dict[str, Any]:
    hashes = {name: content_hash(source) for name, source in inputs.items()}
    body = {"format": FORMAT, "stage": stage, "settings": dict(settings), "inputs": hashes}
    return {**body, "fingerprint": sha256_text(to_json(body))}


def refuse_to_replace_an_input(out: Path, inputs: Mapping[str, Path | str]) -> None:
    """`InputError` when `out` is one of the inputs or holds one: to replace it would delete what is to be read."""
    for name, source in inputs.items():
        place = Path(source).resolve()
        if place.exists() and (place == out or out in place.parents):
            raise InputError(f"{out}: is or holds the {name} that is to be read; choose another --out")


def _refuse_foreign(out: Path, stage: str, overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise InputError(f"{out}: exists and was not made by vz; choose another --out or move it away")
    made_by = read_json(out / MANIFEST)["stage"]
    if made_by != stage:
        raise InputError(
            f"{out}: holds an output of '{made_by}', which '{stage}' will not replace; choose another --out"
        )
    if not overwrite:
        raise InputError(f"{out}: holds the result of other inputs or settings; use --overwrite or another --out")


def _open_work(out: Path, claim: dict[str, Any], overwrite: bool, resumable: bool) -> Path:
    work = out.with_name(f".{out.name}.partial")
    if (work / CLAIM).is_file():
        same = read_json(work / CLAIM)["fingerprint"] == claim["fingerprint"]
        if same and resumable:
            return work
        if resumable and not overwrite:
            raise InputError(
                f"{work}: an unfinished run with other inputs or settings lies here; "
                "repeat that command to finish it, or use --overwrite to discard it"
            )
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    write_json(work / CLAIM, claim)
    return work


def _is_empty(work: Path) -> bool:
    return not any(path.is_file() and path.name != CLAIM for path in work.rglob("*"))


def _publish(work: Path, out: Path) -> None:
    old = out.with_name(f".{out.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if out.exists():
        out.replace(old)
    work.replace(out)
    if old.exists():
        shutil.rmtree(old)


def _manifest(
    claim: dict[str, Any],
    work: Path,
    outcome: Outcome,
    out: Path,
    inputs: Mapping[str, Path | str],
    started: float,
) -> dict[str, Any]:
    return {
        **claim,
        "inputs": {
            name: {"path": _relative(source, out), "sha256": claim["inputs"][name]} for name, source in inputs.items()
        },
        "outputs": _outputs(work),
        "counts": outcome.counts,
        "warnings": outcome.warnings,
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git_state(),
        "timings": {"seconds": round(time.time() - started, 3), **outcome.timings},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _relative(source: Path | str, out: Path) -> str:
    if isinstance(source, str) and not Path(source).exists():
        return source
    return os.path.relpath(Path(source).resolve(), out)


def _outputs(work: Path) -> dict[str, dict[str, Any]]:
    tables = [file for file in sorted(work.rglob("*")) if file.is_file() and not _is_picture(file)]
    return {
        str(file.relative_to(work)): {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
        for file in tables
        if file.name not in NOT_COMPARABLE and not _hidden(file.relative_to(work))
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in REPORTED_PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _git_state() -> str | None:
    """The commit of the working copy that vz runs from, or null for an installed wheel."""
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _report(out: Path, manifest: dict[str, Any], status: str) -> Report:
    return Report(manifest["stage"], out, status, manifest["counts"], manifest["warnings"], manifest["timings"])


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """One writer an output folder. The kernel drops the lock of a killed process."""
    out.parent.mkdir(parents=True, exist_ok=True)
    path = out.with_name(f".{out.name}.lock")
    busy = InputError(f"{out}: another vz process is writing it; wait for it to end")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise busy from error
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise busy  # its owner ended between our opening and our locking; a new one may have begun
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
