"""Prints estimates of memory and time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from vzcli import options as opt

if TYPE_CHECKING:
    from stages.core.estimate.forecast import Forecast

CAVEAT = "an estimate; docs/stages/doctor.md says what it counts"


def shown_estimate(estimate: Callable[[], Forecast]) -> tuple[Forecast | None, dict[str, Any]]:
    """The estimate, and its form as plain data. Without an estimate, the plain data has the reason."""
    from stages.core.errors import InputError

    try:
        found = estimate()
    except InputError as error:
        return None, {"unknown": str(error)}
    return found, found.as_dict()


def print_estimate(found: Forecast) -> None:
    """Print the peak memory of each part, when playing and when training, and the time of a round and of the run."""
    from rich.table import Table

    body, playing = found.as_dict(), found.playing.memory.terms if found.playing else {}
    training = found.training.terms
    table = Table("GiB on each GPU" if found.machine.is_gpu else "GiB", "playing", "training", box=None)
    for name in dict.fromkeys([*training, *playing]):
        table.add_row(name, _gib(playing.get(name)), _gib(training.get(name)))
    total = found.playing.memory.total if found.playing else None
    table.add_row("at the peak", _gib(total), _gib(found.training.total), style="bold")
    screen = opt.console()
    screen.print(f"{found.size.kind}, {found.size.weights / 1e9:.3g} billion weights, on {found.machine.name}")
    screen.print(table)
    rounds = found.recipe.iterate.rounds
    parts = f"playing {_time(body['playing_seconds'])}, training {_time(body['training_seconds'])}"
    screen.print(f"a round: {_time(body['round_seconds'])} ({parts}); {rounds} rounds: {_time(body['run_seconds'])}")
    if found.ram:
        screen.print(f"RAM of the machine: {sum(found.ram.values()) / 2**30:.0f} GiB ({_listed(found.ram)})")
    for warning in found.tight:
        screen.print(f"tight: {warning}")
    screen.print(f"{CAVEAT}; tokens: {found.work.known}", style="dim")


def _listed(terms: dict[str, int]) -> str:
    return ", ".join(f"{name} {value / 2**30:.0f}" for name, value in terms.items())


def _gib(value: int | None) -> str:
    return "–" if value is None else f"{value / 2**30:.{2 if value >= 2**29 else 3}f}"


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))
