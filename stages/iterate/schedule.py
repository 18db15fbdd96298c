"""Which phase trains next: eq. 7–10 and algorithm 1, as a pure function of the state."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stages.core.game.rules import Phase
from stages.core.recipe.iterate import Iterate


@dataclass(frozen=True)
class Schedule:
    """The active phase, how many rounds it has trained, and the EMAs of accuracy and N/A (both from 0)."""

    phase: Phase
    dwell: int = 0
    acc_ema: float = 0.0
    na_ema: float = 0.0


def start(recipe: Iterate) -> Schedule:
    """Before the first round."""
    pure: dict[str, Phase] = {"clue": "clue", "decision": "decision"}
    return Schedule(pure.get(recipe.switching, recipe.start))


def advance(state: Schedule, acc: float, na: float, recipe: Iterate) -> Schedule:
    """The state after a round in `state.phase` whose games had accuracy `acc` and N/A share `na`.

    x̄ ← ρ x̄ + (1 − ρ) x (eq. 8, 9); then the phase changes if `iterate.switching` says so.
    """
    moved = replace(
        state,
        dwell=state.dwell + 1,
        acc_ema=recipe.rho * state.acc_ema + (1 - recipe.rho) * acc,
        na_ema=recipe.rho * state.na_ema + (1 - recipe.rho) * na,
    )
    if not _switches(moved, recipe):
        return moved
    return replace(moved, phase="clue" if moved.phase == "decision" else "decision", dwell=0)


def _switches(state: Schedule, recipe: Iterate) -> bool:
    if recipe.switching in {"clue", "decision"}:
        return False
    if recipe.switching == "cycle":
        return state.dwell >= recipe.cycle_length
    if recipe.patience is not None and state.dwell >= recipe.patience:
        return True
    return state.dwell >= recipe.dwell and _gate(state, recipe)


def _gate(state: Schedule, recipe: Iterate) -> bool:
    """Eq. 10: decision → clue when votes are good and sure; clue → decision when they have become bad or unsure."""
    if state.phase == "decision":
        return state.acc_ema >= recipe.acc_high and state.na_ema <= recipe.na_low
    return 1 - state.acc_ema >= recipe.err_high or state.na_ema >= recipe.na_high
