"""A run: rounds of Iterative-SPO in one folder, which the same command takes up again after any kill."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import yaml

from stages import make_games
from stages.core import artifact
from stages.core.artifact import Report
from stages.core.engines import Engine, open_engine
from stages.core.errors import InputError
from stages.core.files import write_text
from stages.core.recipe import Recipe, dump
from stages.iterate.round import Round
from stages.iterate.schedule import start
from stages.iterate.state import Metrics, State, read_lines, read_state, record, write_state

OnRound = Callable[[Metrics, Metrics], None]

# What may change when a run is taken up again: it decides how long the run goes on and what it keeps, not what a
# round does. Raising `rounds` also stretches the learning-rate schedule, unless train.total_updates fixes it.
MAY_CHANGE = {("iterate", "rounds"), ("iterate", "keep_checkpoints"), ("iterate", "keep_every"), ("evaluate",)}


def run(
    recipe: Recipe,
    out: Path,
    *,
    games: Path | None = None,
    engine: Engine | None = None,
    on_round: OnRound | None = None,
    overwrite: bool = False,
) -> Report:
    """Rounds until `recipe.iterate.rounds` are done. `games` is a folder of make-games; None makes it in the run.

    `on_round(metrics, timings)` is called after each. The same call goes on where a killed one stopped; it may ask
    for more rounds, but a recipe that differs otherwise is refused.
    """
    if games is not None:
        artifact.manifest_of(games, "make-games")
    with artifact.locked(out):
        if overwrite and out.exists():
            _discard(out)
        state = _begin(recipe, out)
        first = state.iteration
        prune(out, recipe, state)  # what a kill may have left
        if first < recipe.iterate.rounds:
            pictures = games or _make_games(recipe, out)
            with ExitStack() as stack:
                live = engine or stack.enter_context(open_engine(recipe))
                for number in range(first + 1, recipe.iterate.rounds + 1):
                    state = _one_round(Round(out, recipe, pictures, live, number, state), on_round)
        return _report(out, state, "done" if first < state.iteration else "up to date")


def _one_round(this: Round, on_round: OnRound | None) -> State:
    after, metrics, timings = this.play()
    record(this.run / "metrics.jsonl", metrics)
    record(this.run / "timings.jsonl", timings)
    write_state(this.run, after)
    prune(this.run, this.recipe, after)
    if on_round:
        on_round(metrics, timings)
    return after


def _begin(recipe: Recipe, out: Path) -> State:
    """The run's state; a new run writes its recipe, a known one must fit it."""
    path = out / "recipe.yaml"
    if path.is_file():
        _check_same(yaml.safe_load(path.read_text(encoding="utf-8")), yaml.safe_load(dump(recipe)), path)
    elif out.exists() and any(file for file in out.iterdir() if not file.name.startswith(".")):
        raise InputError(f"{out}: exists and is no run of vz iterate; choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_text(path, dump(recipe))
    return read_state(out) or State(0, start(recipe.iterate))


def _check_same(before: dict[str, object], now: dict[str, object], path: Path) -> None:
    for name, _ in sorted(_leaves(before) ^ _leaves(now)):
        if not any(name[: len(free)] == free for free in MAY_CHANGE):
            raise InputError(
                f"{path}: this run was begun with another value of '{'.'.join(name)}'; "
                "go on with the same recipe, choose another --out, or discard the run with --overwrite"
            )


def _leaves(body: object, prefix: tuple[str, ...] = ()) -> set[tuple[tuple[str, ...], str]]:
    if not isinstance(body, dict):
        return {(prefix, repr(body))}
    return {leaf for key, value in body.items() for leaf in _leaves(value, (*prefix, str(key)))}


def _make_games(recipe: Recipe, out: Path) -> Path:
    made: Path = make_games.run(recipe, out / "games").out
    return made


def prune(run: Path, recipe: Recipe, state: State) -> None:
    """Drop the checkpoints that the recipe does not keep. Their counts stand in `metrics.jsonl`."""
    keep = set(range(state.iteration - recipe.iterate.keep_checkpoints + 1, state.iteration + 1))
    if state.best:
        keep.add(int(state.best["iteration"]))
    every = recipe.iterate.keep_every
    for folder in sorted(run.glob("round-*/checkpoint")):
        number = int(folder.parent.name.removeprefix("round-"))
        if number not in keep and not (every and number % every == 0):
            shutil.rmtree(folder)


def _discard(out: Path) -> None:
    if not (out / "recipe.yaml").is_file():
        raise InputError(f"{out}: is no run of vz iterate, so --overwrite will not delete it")
    shutil.rmtree(out)


def _report(out: Path, state: State, status: str) -> Report:
    rounds = read_lines(out / "metrics.jsonl")
    counts = {
        "rounds": state.iteration,
        "updates": state.updates,
        "phases": {phase: sum(row["phase"] == phase for row in rounds) for phase in ("decision", "clue")},
        "checkpoint": state.checkpoint,
        "best": state.best,
    }
    warnings = [f"round {row['iteration']}: {warning}" for row in rounds for warning in row["warnings"]]
    return Report("iterate", out, status, counts, warnings, {})
