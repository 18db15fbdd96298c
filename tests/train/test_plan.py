"""Dividing rows into updates and micro-batches; the learning-rate schedule."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.core.errors import InputError
from stages.core.recipe.train import Train
from stages.train import plan
from stages.train.plan import (
    check_within_schedule,
    micro_batches,
    packs_of,
    total_updates,
    updates_of,
    work_of,
)
from stages.train.tree import FORMS, Form, Line


def rate(update: int, total: int, warmup: float, schedule: Any) -> float:
    return plan.rate(update, total, Train(warmup=warmup, schedule=schedule))


def test_null_makes_one_update_of_all_rows() -> None:
    assert updates_of(7, None) == [[*range(7)]]


def test_the_last_update_may_be_short() -> None:
    assert updates_of(7, 3) == [[0, 1, 2], [3, 4, 5], [6]]


def test_no_rows_make_no_update() -> None:
    assert updates_of(0, None) == []
    assert updates_of(0, 3) == []


@given(st.integers(1, 60), st.integers(1, 20), st.integers(1, 40), st.integers(1, 4), st.sampled_from(FORMS))
def test_every_row_trains_once_and_processes_stay_in_step(
    rows: int, per: int, budget: int, processes: int, form: Form
) -> None:
    lines = [Line((0, 0, number % 7, number % 5), 3, range(0)) for number in range(rows)]
    updates = updates_of(rows, per)
    packs = packs_of(updates, lines, budget, processes, form)
    work = [micro_batches(packs, processes, rank) for rank in range(processes)]
    assert sorted(row for share in work for batch in share for row in batch.rows) == list(range(rows))
    for together in zip(*work, strict=True):
        assert len({batch.update for batch in together}) == 1
        assert together[0].trees and any(batch.counts for batch in together)


def test_the_work_of_an_update_is_counted_in_tokens() -> None:
    lines = [Line((1, 2, 3, 4, number), 4, range(0)) for number in range(3)] + [Line((9, 9), 1, range(0))]
    (packs,) = packs_of([range(4)], lines, 16, 1, "batch")
    assert work_of(packs) == {"row_tokens": 17, "tree_tokens": 9, "batch_tokens": 16}


def test_warm_up_reaches_the_peak_and_never_has_rate_zero() -> None:
    assert [rate(k, 20, 0.2, "constant") for k in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_starts_at_the_peak_after_warm_up_and_ends_above_zero() -> None:
    rates = [rate(k, 10, 0.1, "cosine") for k in range(10)]
    assert rates[0] == rates[1] == 1.0
    assert rates[5] == pytest.approx(0.5 * (1 + math.cos(math.pi * 4 / 9)))
    assert sorted(rates[1:], reverse=True) == rates[1:]
    assert rates[-1] > 0


def test_linear_falls_evenly() -> None:
    assert [rate(k, 4, 0.0, "linear") for k in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_beyond_the_end_the_last_rate_is_held() -> None:
    assert rate(12, 10, 0.1, "cosine") == rate(9, 10, 0.1, "cosine") > 0


def test_the_recipes_total_comes_before_the_planned_and_the_carried_one() -> None:
    assert total_updates(5, 6, 7, 1, 1) == 5
    assert total_updates(None, 6, 7, 1, 1) == 6
    assert total_updates(None, None, 7, 1, 1) == 7
    assert total_updates(None, None, None, 1, 2) == 3


def test_training_beyond_a_fixed_falling_schedule_is_refused() -> None:
    with pytest.raises(InputError, match=r"raise train\.total_updates"):
        check_within_schedule(4, 4, 1, Train(schedule="cosine"), planned=False, where="state")


def test_training_beyond_an_estimate_gives_a_warning() -> None:
    assert check_within_schedule(4, 4, 1, Train(schedule="cosine"), planned=True, where="state")
    assert not check_within_schedule(4, 4, 1, Train(schedule="constant"), planned=False, where="state")
