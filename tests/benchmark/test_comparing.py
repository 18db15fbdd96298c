"""The comparison of a model and its base: figures worked out by hand, and intervals that hold what they promise."""

from __future__ import annotations

import random

import polars as pl
import pytest

from stages.benchmark.comparing import bootstrap, compare, mcnemar, paired
from stages.core.errors import InputError


def test_figures_of_ten_questions():
    base, model = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 1, 1, 0, 0, 0, 0]
    found = compare(base, model)
    assert (found.questions, found.base, found.model, found.wins, found.losses) == (10, 0.3, 0.5, 3, 1)
    assert found.difference == pytest.approx(0.2)
    assert found.p_value == pytest.approx(2 * (1 + 4) / 16)  # at most 1 of 4 coins
    low, high = found.difference_interval
    assert -0.3 < low < 0 < 0.4 < high < 0.7


def test_a_model_against_itself_differs_by_nothing():
    found = compare([1, 0, 0.5], [1, 0, 0.5])
    assert (found.difference, found.difference_interval, found.wins, found.losses) == (0, (0, 0), 0, 0)
    assert found.p_value is None  # half right is not right or wrong


def test_scores_to_100_become_shares_and_less_may_be_better():
    found = compare([50.0, 0.0], [0.0, 0.0], higher_is_better=False)
    assert (found.base, found.model, found.difference, found.wins, found.losses) == (0.25, 0, -0.25, 1, 0)


def test_the_interval_holds_the_true_difference_in_19_of_20_samples():
    draw, held = random.Random(4), 0
    for number in range(300):
        changes = draw.choices([-1, 0, 1], weights=[10, 70, 20], k=150)  # the true mean is 0.1
        compared = compare([0.0 if change == 1 else 1.0 for change in changes],
                           [0.0 if change == -1 else 1.0 for change in changes], seed=number)  # fmt: skip
        low, high = compared.difference_interval
        held += low <= 0.1 <= high
    assert 0.91 < held / 300 < 0.98


def test_the_interval_is_of_pairs_and_not_of_two_samples():
    """Both models answer the same half: two separate samples of 400 would leave ± 0.07."""
    same = [1.0, 0.0] * 200
    low, high = compare(same, [*same[:-1], 1.0]).difference_interval
    assert low >= 0 and high < 0.01


def test_many_different_values_are_resampled_in_parts():
    import numpy as np

    values = np.random.default_rng(0).normal(0.2, 1.0, 5000)
    low, high = bootstrap(values, seed=1)
    assert high - low == pytest.approx(2 * 1.96 / 5000**0.5, rel=0.1)
    assert low < values.mean() < high


@pytest.mark.parametrize(
    ("wins", "losses", "p"), [(0, 0, 1), (1, 0, 1), (5, 0, 2 / 32), (6, 6, 1), (9, 1, 2 * 11 / 1024)]
)
def test_mcnemar(wins: int, losses: int, p: float):
    assert mcnemar(wins, losses) == pytest.approx(p) == mcnemar(losses, wins)


def answers(*rows: tuple[int, str, float]) -> pl.DataFrame:
    return pl.DataFrame(
        [{"task": "t", "question_id": number, "question_sha256": text, "score": score} for number, text, score in rows]
    )


def test_questions_are_paired_by_number_and_text():
    both = paired(answers((0, "a", 1.0), (1, "b", 0.0)), answers((1, "b", 0.5), (0, "a", 0.25)), "t")
    assert both.select("base", "model").rows() == [(1.0, 0.25), (0.0, 0.5)]


@pytest.mark.parametrize("other", [answers((0, "a", 1.0)), answers((0, "a", 1.0), (1, "c", 0.0))])
def test_other_questions_are_an_error(other: pl.DataFrame):
    with pytest.raises(InputError, match="t: the base and the model answered different questions"):
        paired(answers((0, "a", 1.0), (1, "b", 0.0)), other, "t")
