"""Describes a folder in a few words, from what vz wrote into it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from stages.core.errors import InputError
from stages.core.folder.artifact import CLAIM, MANIFEST
from stages.core.folder.files import read_json
from stages.core.folder.locking import is_being_written
from stages.core.pages.run_files import flat
from stages.core.yaml_text import read_yaml

Counts = Mapping[str, Any]
State = Literal["finished", "being written", "unfinished"]

SIDES = ("civilians", "spy")  # of an evaluation
ROUND = "round.json"  # in a finished round's folder

# What each stage makes, and how much of it.
MADE: dict[str, tuple[str, Callable[[Counts], str]]] = {
    "make-games": ("games", lambda counts: f"{counts['pairs']:,} pairs"),
    "deal": ("dealt games", lambda counts: f"{counts['games']:,} games"),
    "rollout": ("rollouts", lambda counts: f"{counts['games']:,} games played"),
    "score": ("scores", lambda counts: f"{counts['games']:,} games, vote accuracy {counts['vote_accuracy']:.3f}"),
    "filter": ("kept rows", lambda counts: f"{counts['kept']:,} of {counts['rows']:,} rows"),
    "outside": ("answers outside the game", lambda counts: f"{counts['answers']:,} answers"),
    "guard": ("answers to the guard set", lambda counts: f"{counts['right']:.3f} right"),
    "train": ("checkpoint", lambda counts: f"after {counts['run_updates']} updates"),
    "evaluate": ("evaluation", lambda counts: f"win rate {counts['arena']['win_rate']:.3f}"),
    "benchmark": ("benchmark", lambda counts: f"{len(counts['tasks'])} tasks"),
    "init-model": ("model", lambda counts: f"{counts['parameters']:,} weights"),
    "export": ("export", lambda counts: "for the Hugging Face hub"),
}


@dataclass(frozen=True)
class Output:
    """An output folder of vz: what it is, what it contains, and whether it is finished."""

    folder: Path
    stage: str
    kind: str
    holds: str
    state: State
    when: float  # seconds since the epoch


def output_at(folder: Path) -> Output | None:
    """The output in `folder`, or None. If its counts are unreadable, only the stage describes it."""
    try:
        body = read_json(folder / MANIFEST)
    except InputError:
        return None
    if not isinstance(body, dict) or not isinstance(stage := body.get("stage"), str):
        return None
    when = max(file.stat().st_mtime for file in (folder / MANIFEST, folder / "state.json") if file.is_file())
    busy = is_being_written(folder)
    if stage == "iterate":
        try:
            done, wanted = rounds_of(folder)
        except (InputError, AttributeError, TypeError, ValueError):  # a damaged file
            return Output(folder, stage, "run", "", "being written" if busy else "unfinished", when)
        state: State = "being written" if busy else "finished" if done >= wanted else "unfinished"
        return Output(folder, stage, "run", f"{done} of {wanted} rounds", state, when)
    return Output(folder, stage, *_described(stage, body.get("counts")), "being written" if busy else "finished", when)


def model_at(folder: Path) -> Output | None:
    """A model in `folder` that vz did not make, or None."""
    for name, kind, key in (("adapter_config.json", "adapter", "peft_type"), ("config.json", "model", "model_type")):
        file = folder / name
        if file.is_file() and not (folder / MANIFEST).exists() and any(folder.glob("*.safetensors")):
            with suppress(InputError, AttributeError):
                return Output(folder, kind, kind, str(read_json(file).get(key)), "finished", file.stat().st_mtime)
    return None


def unfinished_in(folder: Path) -> Iterator[Output]:
    """Outputs in `folder` that a stage has begun but not finished."""
    for claim in sorted(folder.glob(f".*.partial/{CLAIM}")):
        out = folder / claim.parent.name.removeprefix(".").removesuffix(".partial")
        try:
            stage = str(read_json(claim)["stage"])
        except (InputError, KeyError, TypeError):
            continue
        kind, busy = _described(stage, None)[0], is_being_written(out)
        yield Output(out, stage, kind, "", "being written" if busy else "unfinished", claim.stat().st_mtime)


def rounds_of(run: Path) -> tuple[int, int]:
    """How many rounds a run has finished, and how many its recipe asks for."""
    state = read_json(run / "state.json") if (run / "state.json").is_file() else {}
    recipe = flat(read_yaml(run / "recipe.yaml")) if (run / "recipe.yaml").is_file() else {}
    return int(state.get("iteration", 0)), int(recipe.get("iterate.rounds", 0))


def is_round(folder: Path) -> bool:
    """Whether the folder belongs to a round of a run, finished or not."""
    return folder.name.startswith("round-") and output_stage(folder.parent) == "iterate"


def output_stage(folder: Path) -> str | None:
    """The stage that made the folder, or None."""
    found = output_at(folder)
    return None if found is None else found.stage


def _described(stage: str, counts: Any) -> tuple[str, str]:
    kind, holds = MADE.get(stage, (stage, lambda counts: ""))
    try:
        return kind, holds(counts)
    except (KeyError, TypeError, ValueError):  # from an earlier version, or without an arena
        return kind, ""
