"""A stage's output folder: atomic, described by a manifest, resumable, locked.

`produce` gives every stage the same manners. Work happens in a hidden sibling (`.name.partial`), which is renamed when
it is whole and on disk. The same inputs and settings again are "up to date". Different ones are refused unless
`overwrite` is given. An interrupted stage finds its hidden folder again and goes on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder.content import MANIFEST, content_hash, spoilt
from stages.core.folder.differences import what_differs
from stages.core.folder.disk import room_for
from stages.core.folder.durable import publish
from stages.core.folder.files import read_json, write_json
from stages.core.folder.locking import locked
from stages.core.folder.manifest import FORMAT, describe, input_of, manifest_of

__all__ = [
    "FORMAT", "MANIFEST", "Outcome", "Report", "content_hash", "input_of", "locked", "manifest_of", "produce",
    "refuse_to_replace_an_input",
]  # fmt: skip

CLAIM = ".claim.json"  # in the work folder: what is being made, until it is

Settings = Mapping[str, Any]
Manifest = dict[str, Any]


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
    lost_beside: Callable[[Manifest], str | None] = lambda manifest: None,
) -> Report:
    """Run `make(work_folder)` and publish the folder as `out`.

    A `resumable` maker finds its own unfinished files again after a kill or a failure; others begin anew.

    `settings` is all that decides the result besides `inputs` (resolved recipe sections, the seed). An input that is
    a string is a hub name. `lost_beside` says what a finished result lacks that lies outside `out`. Raises `InputError`
    when `out` holds something else, or has lost something, and `overwrite` is not given.
    """
    out = out.resolve()
    _check_names(out, inputs)
    refuse_to_replace_an_input(out, inputs)
    claim = _claim(stage, settings, inputs)
    with room_for(out), locked(out) as power_was_cut:
        if _is_of(out, claim) and _is_whole(out, lost_beside, full=power_was_cut or overwrite, overwrite=overwrite):
            (out / CLAIM).unlink(missing_ok=True)  # a kill or a power cut may have left it
            return _report(out, read_json(out / MANIFEST), "up to date")
        _refuse_foreign(out, claim, overwrite)
        work = _open_work(out, claim, overwrite, resumable)
        started = time.time()
        try:
            outcome = make(work)
        except BaseException:
            if not resumable or _is_empty(work):  # nothing in it is worth keeping, and bad input will be mended
                shutil.rmtree(work)
            raise
        manifest = describe(claim, inputs, out, work, _told(outcome, started))
        write_json(work / MANIFEST, manifest)
        publish(work, out)
        (out / CLAIM).unlink()  # only now: a kill before the renaming must find whose work this is
        return _report(out, manifest, "done")


def _is_of(out: Path, claim: Mapping[str, Any]) -> bool:
    """Whether `out` was made from the same inputs and settings."""
    made = read_json(out / MANIFEST) if (out / MANIFEST).is_file() else {}
    return made.get("stage") == claim["stage"] and not what_differs(made, claim)


def _is_whole(out: Path, lost_beside: Callable[[Manifest], str | None], *, full: bool, overwrite: bool) -> bool:
    """Whether nothing of a finished result was lost since. If something was, that is an error unless `overwrite`."""
    manifest = read_json(out / MANIFEST)
    lost = [f"{file}: missing or changed since it was made" for file in spoilt(out, manifest["outputs"], full=full)]
    lost += filter(None, [lost_beside(manifest)])
    if lost and not overwrite:
        raise InputError(f"{lost[0]}; use --overwrite to make it again")
    return not lost


def _claim(stage: str, settings: Settings, inputs: Mapping[str, Path | str]) -> dict[str, Any]:
    hashes = {name: content_hash(source) for name, source in inputs.items()}
    return {"format": FORMAT, "stage": stage, "settings": dict(settings), "inputs": hashes}


def _check_names(out: Path, inputs: Mapping[str, Path | str]) -> None:
    """`InputError` for a place that the manifest could not name."""
    for place in (out, *(Path(source).resolve() for source in inputs.values())):
        try:
            str(place).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{str(place)!r}: the name is not UTF-8, so no manifest can hold it; rename it") from error


def refuse_to_replace_an_input(out: Path, inputs: Mapping[str, Path | str]) -> None:
    """`InputError` when `out` is an input or holds one: to replace it would delete what is to be read.

    Nor may it lie in one, which would be another input as soon as `out` is there.
    """
    for name, source in inputs.items():
        place = Path(source).resolve()
        if not place.exists():  # the name of something on the hub
            continue
        if place == out or out in place.parents:
            raise InputError(f"{out}: is or holds {place}, which is to be read as '{name}'; choose another --out")
        if place in out.parents:
            raise InputError(f"{out}: lies in {place}, which is to be read as '{name}'; choose another --out")


def _refuse_foreign(out: Path, claim: Mapping[str, Any], overwrite: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MANIFEST).is_file():
        raise InputError(f"{out}: exists and was not made by vz; choose another --out or move it away")
    made, stage = read_json(out / MANIFEST), claim["stage"]
    if made["stage"] != stage:
        raise InputError(
            f"{out}: holds an output of '{made['stage']}', which '{stage}' will not replace; choose another --out"
        )
    if not overwrite:
        raise InputError(
            f"{out}: was made from different inputs or settings ({what_differs(made, claim)}); "
            "use --overwrite to replace it, or another --out"
        )


def _open_work(out: Path, claim: dict[str, Any], overwrite: bool, resumable: bool) -> Path:
    work = out.with_name(f".{out.name}.partial")
    if (work / CLAIM).is_file():
        begun = read_json(work / CLAIM)
        difference = what_differs(begun, claim)
        if resumable and not difference:
            return work
        if resumable and not overwrite:
            raise InputError(
                f"{work}: holds unfinished work from different inputs or settings ({difference}); "
                "repeat that command to finish it, or use --overwrite to discard it"
            )
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    write_json(work / CLAIM, claim)
    return work


def _is_empty(work: Path) -> bool:
    return not any(path.is_file() and path.name != CLAIM for path in work.rglob("*"))


def _told(outcome: Outcome, started: float) -> dict[str, Any]:
    seconds = round(time.time() - started, 3)
    return {**asdict(outcome), "timings": {"seconds": seconds, **outcome.timings}}


def _report(out: Path, manifest: dict[str, Any], status: str) -> Report:
    return Report(manifest["stage"], out, status, manifest["counts"], manifest["warnings"], manifest["timings"])
