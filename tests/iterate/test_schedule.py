import pytest

from stages.core.recipe.iterate import Iterate
from stages.iterate.schedule import Schedule, advance, start


def phases(recipe: Iterate, acc: float, na: float, rounds: int) -> list[int]:
    """Rounds (from 1) after which the phase changed."""
    state, changes = start(recipe), []
    for number in range(1, rounds + 1):
        after = advance(state, acc, na, recipe)
        if after.phase != state.phase:
            changes.append(number)
        state = after
    return changes


# The reference's own simulation of the paper's constants at a constant accuracy.
@pytest.mark.parametrize(("acc", "first"), [(0.8, [20, 25]), (0.9, [20, 40, 60])])
def test_the_papers_constants_switch_as_simulated(acc: float, first: list[int]):
    assert phases(Iterate(), acc, 0.0, 60)[: len(first)] == first


def test_emas_start_at_zero_and_move_by_eq_8_and_9():
    recipe = Iterate(rho=0.5)
    state = advance(advance(start(recipe), 1.0, 0.4, recipe), 0.0, 0.2, recipe)
    assert (state.acc_ema, state.na_ema) == (0.25, pytest.approx(0.2))


@pytest.mark.parametrize(
    ("state", "acc", "na", "next_phase"),
    [
        (Schedule("decision", 4, 0.9, 0.0), 0.9, 0.0, "clue"),
        (Schedule("decision", 3, 0.9, 0.0), 0.9, 0.0, "decision"),  # not before K_min
        (Schedule("decision", 4, 0.9, 0.2), 0.9, 0.2, "decision"),  # too many N/A
        (Schedule("clue", 4, 0.5, 0.0), 0.5, 0.0, "decision"),  # errors reach τ_err↑
        (Schedule("clue", 4, 0.7, 0.0), 0.7, 0.0, "clue"),
        (Schedule("clue", 4, 0.9, 0.6), 0.9, 0.6, "decision"),  # N/A reaches τ_na↑
        (Schedule("clue", 19, 0.9, 0.0), 0.9, 0.0, "decision"),  # patience
    ],
)
def test_gates_of_eq_10(state: Schedule, acc: float, na: float, next_phase: str):
    assert advance(state, acc, na, Iterate()).phase == next_phase


def test_a_change_of_phase_resets_the_dwell():
    assert advance(Schedule("decision", 19), 0.0, 0.0, Iterate()).dwell == 0


def test_a_cycle_alternates_and_pure_phases_stay():
    assert phases(Iterate(switching="cycle", cycle_length=2), 0.5, 0.0, 8) == [2, 4, 6, 8]
    for pure in ("clue", "decision"):
        recipe = Iterate(switching=pure)
        assert start(recipe).phase == pure and phases(recipe, 1.0, 0.0, 50) == []


def test_without_patience_only_the_gates_switch():
    assert phases(Iterate(patience=None), 0.5, 0.0, 200) == []
