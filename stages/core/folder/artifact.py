"""A stage's output folder: atomic, described by a manifest, resumable, locked.

A stage works in a hidden sibling (`.name.partial`), which is renamed when it is complete and on disk. If the output was
already made from the same inputs and settings, it is "up to date". If it was made from different ones, only `overwrite`
replaces it. An interrupted stage finds its hidden folder again and resumes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST, content_hash, damaged_files
from stages.core.folder.faults import damage_is_named, disk_full_is_an_error
from stages.core.folder.files import forget_replaced, read_json, replace_folder, write_json
from stages.core.folder.locking import locked
from stages.core.folder.manifest import FORMAT, describe, differences, input_of, manifest_of, read_manifest

__all__ = [
    "FORMAT", "MANIFEST", "Outcome", "Report", "content_hash", "input_of", "locked", "manifest_of", "produce",
    "refuse_to_replace_an_input",
]  # fmt: skip

CLAIM = ".claim.json"  # in the work folder: the inputs and settings of the unfinished output

Settings = Mapping[str, Any]
Inputs = Mapping[str, Path | str]
Manifest = dict[str, Any]


@dataclass
class Outcome:
    """The result of a stage's work: counts, warnings and timings."""

    counts: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    identity: str | None = None  # identifies the content, instead of a hash


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
    inputs: Inputs,
    make: Callable[[Path], Outcome],
    overwrite: bool = False,
    resumable: bool = False,
    lost_beside: Callable[[Manifest], str | None] = lambda manifest: None,
) -> Report:
    """Run `make(work_folder)` and publish the folder as `out`.

    A `resumable` stage finds its unfinished files again after a kill or a failure; others start over.

    The result must depend only on `settings` (resolved recipe sections, the seed) and `inputs`, where a string that is
    not a path is a hub name. `lost_beside` says what a finished result has lost outside `out`. Without `overwrite`,
    raises `InputError` if `out` contains something else or has lost something.
    """
    out = out.resolve()
    _check_names(out, inputs)
    refuse_to_replace_an_input(out, inputs)
    hashes = {name: content_hash(source) for name, source in inputs.items()}
    claim = {"format": FORMAT, "stage": stage, "settings": dict(settings), "inputs": hashes}
    with disk_full_is_an_error(out), locked(out) as power_was_cut:
        if _is_of(out, claim) and _is_whole(out, lost_beside, full=power_was_cut or overwrite, overwrite=overwrite):
            (out / CLAIM).unlink(missing_ok=True)  # a kill or power cut may have left it
            forget_replaced(out)  # the same
            return _report(out, read_manifest(out), "up to date")
        _check_replaceable(out, claim, overwrite)
        work = _open_work(out, claim, overwrite, resumable)
        started = time.time()
        try:
            with damage_is_named(*inputs.values()), disk_full_is_an_error(out):
                outcome = make(work)
        except BaseException:
            if not resumable or _is_empty(work):
                shutil.rmtree(work)
            raise
        timings = {"seconds": round(time.time() - started, 3), **outcome.timings}
        found = {**asdict(outcome), "timings": timings}
        manifest = describe(claim, inputs, out, work, {k: value for k, value in found.items() if value is not None})
        write_json(work / MANIFEST, manifest)
        replace_folder(work, out)
        (out / CLAIM).unlink()  # only now: after a kill before the renaming, it identifies the work
        return _report(out, manifest, "done")


def refuse_to_replace_an_input(out: Path, inputs: Inputs) -> None:
    """`InputError` if `out` is an input, contains one, or is inside one."""
    for name, source in inputs.items():
        place = Path(source).resolve()
        if not place.exists():  # a hub name
            continue
        if place == out or out in place.parents:
            raise InputError(f"{out}: is or contains {place}, the input '{name}'; choose another --out")
        if place in out.parents:
            raise InputError(f"{out}: is inside {place}, the input '{name}'; choose another --out")


def _check_names(out: Path, inputs: Inputs) -> None:
    """`InputError` for a path that the manifest cannot store."""
    for place in (out, *(Path(source).resolve() for source in inputs.values())):
        try:
            str(place).encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{str(place)!r}: the name is not UTF-8, so no manifest can store it; rename it"
            ) from error


def _is_of(out: Path, claim: Manifest) -> bool:
    """Whether `out` was made from the same inputs and settings."""
    made = read_manifest(out) if (out / MANIFEST).is_file() else {}
    return made.get("stage") == claim["stage"] and not differences(made, claim)


def _is_whole(out: Path, lost_beside: Callable[[Manifest], str | None], *, full: bool, overwrite: bool) -> bool:
    """Whether a finished result is still complete. If it is not, that is an error unless `overwrite`."""
    manifest = read_manifest(out)
    lost = [
        f"{file}: missing or changed since it was made" for file in damaged_files(out, manifest["outputs"], full=full)
    ]
    lost += filter(None, [lost_beside(manifest)])
    if lost and not overwrite:
        raise InputError(f"{lost[0]}; use --overwrite to make it again")
    return not lost


def _check_replaceable(out: Path, claim: Manifest, overwrite: bool) -> None:
    """`InputError` if `out` contains something that must not be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise InputError(f"{out}: exists and was not made by vz; choose another --out or move it away")
    made, stage = read_manifest(out), claim["stage"]
    if made["stage"] != stage:
        raise InputError(
            f"{out}: contains an output of '{made['stage']}', which '{stage}' will not replace; choose another --out"
        )
    if not overwrite:
        raise InputError(
            f"{out}: was made from different inputs or settings ({differences(made, claim)}); "
            "use --overwrite to replace it, or another --out"
        )


def _open_work(out: Path, claim: Manifest, overwrite: bool, resumable: bool) -> Path:
    """The work folder: the unfinished one of the same claim, or a new one."""
    work = out.with_name(f".{out.name}.partial")
    if resumable and (work / CLAIM).is_file():
        difference = differences(read_json(work / CLAIM), claim)
        if not difference:
            return work
        if not overwrite:
            raise InputError(
                f"{work}: contains unfinished work from different inputs or settings ({difference}); repeat that "
                "command to finish it, or use --overwrite to discard it"
            )
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    write_json(work / CLAIM, claim)
    return work


def _is_empty(work: Path) -> bool:
    return not any(path.is_file() and path.name != CLAIM for path in work.rglob("*"))


def _report(out: Path, manifest: Manifest, status: str) -> Report:
    return Report(manifest["stage"], out, status, manifest["counts"], manifest["warnings"], manifest["timings"])
