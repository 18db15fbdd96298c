"""Rolls a run back: an alarm undoes the last rounds, and training continues from an earlier one with another weight.

A file in the run's folder says what is left to do, so that a kill in between changes nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from stages.core.errors import VzError
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe
from stages.iterate.alarms import MOST, rounds_back
from stages.iterate.keeping import STATES
from stages.iterate.opponents import name_of, number_of
from stages.iterate.recovery import find_resume_point
from stages.iterate.state import (
    EVALUATIONS,
    METRICS,
    TIMINGS,
    Metrics,
    State,
    read_as,
    read_lines,
    read_round,
    record,
    write_lines,
    write_round,
    write_state,
)

PLANNED = "rollback.json"


@dataclass(frozen=True)
class Planned:
    """A rollback that an alarm asks for."""

    since: int  # the round after which it was raised
    to: int  # the round whose policy trains on
    alarms: list[str]
    factors: dict[str, float]  # of training's weights, from then on


def plan_if_due(run: Path, recipe: Recipe, rounds: Sequence[Metrics], state: State) -> bool:
    """Plan a rollback in the run's folder, if an alarm of the last of `rounds` asks for it. Returns whether one does.

    `state` is the state after that round. `VzError` if training's weights cannot change any further.
    """
    adapted = rounds[-1].get("adapted", ()) if rounds else ()
    names = [name for name in adapted if name in recipe.iterate.alarms.rolling_back()]
    if not names:
        return False
    now = state.iteration
    if state.factors == rounds[-1]["factors"]:
        raise VzError(
            f"{run}: stopped after round {now}: alarm {names[0]} is raised again, and its weight has already changed "
            f"by a factor of {MOST:g}, the most it may. Its rounds are kept; begin a new run with other settings"
        )
    last = max(1, now - max(rounds_back(name, recipe) for name in names))
    write_json(run / PLANNED, asdict(Planned(now, last, names, state.factors)))
    return True


def roll_back(run: Path) -> bool:
    """Carry out the rollback that the run's folder plans. Returns whether one was planned.

    If the plan cannot be read, the run plans again, since its last round still exists.
    """
    planned = read_as(run / PLANNED, Planned)
    if planned is None:
        return False
    state = find_resume_point(run, full=False, until=planned.to).state
    if state is None:
        raise VzError(f"{run}: files of round {planned.to} are gone, so it cannot be rolled back; begin a new run")
    last, end = state.iteration, read_round(run / name_of(state.iteration))
    assert end is not None  # find_resume_point has read it
    state = replace(state, factors=planned.factors, played=0)
    warning = f"rolled back from round {planned.since} to here by alarm {', '.join(planned.alarms)}"
    metrics = {**end.metrics, "warnings": [*(each for each in end.metrics["warnings"] if each != warning), warning]}
    write_round(run / name_of(last), state, metrics)
    for folder in [*run.glob("round-*"), *run.glob(f"{STATES}/round-*")]:
        if number_of(folder.name) > last:
            shutil.rmtree(folder)
    for name in (METRICS, TIMINGS, EVALUATIONS):
        if (run / name).is_file():
            write_lines(run / name, [row for row in read_lines(run / name) if row["iteration"] <= last])
    record(run / METRICS, metrics)
    write_state(run, state)
    (run / PLANNED).unlink()
    return True
