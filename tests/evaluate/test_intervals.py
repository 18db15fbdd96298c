import math
import random

import pytest

from stages.evaluate.intervals import estimate, wilson


# Wilson's interval for 8 of 10 at 95 %, from the formula worked by hand with z = 1.959964.
def test_wilson_by_hand():
    low, high = wilson(0.8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert wilson(0, 0) == (0.0, 1.0)


def test_without_clusters_it_is_wilsons_interval_with_a_small_sample_factor():
    values = [1.0] * 8 + [0.0] * 2
    found = estimate(values, [str(place) for place in range(10)])
    # variance p (1 − p) / n · n / (n − 1): as many draws as n − 1
    assert (found.low, found.high) == pytest.approx(wilson(0.8, 9))


def test_copies_of_a_value_in_one_cluster_do_not_narrow_the_interval():
    values, clusters = [1.0, 0.0, 1.0, 1.0, 0.0], list("abcde")
    once, thrice = estimate(values, clusters), estimate(values * 3, clusters * 3)
    assert thrice == pytest.approx(once)


def test_equal_values_are_certain_only_inside_the_range():
    assert estimate([1.0] * 20, [str(place) for place in range(20)]).low == pytest.approx(wilson(1, 20)[0])
    assert estimate([0.0, 0.0], ["a", "b"], least=-1.0) == (0.0, 0.0, 0.0)


def test_clusters_that_happen_to_balance_are_not_certain():
    assert estimate([1.0, 0.0, 0.0, 1.0], ["a", "a", "b", "b"])[1:] == pytest.approx(wilson(0.5, 2))


def test_no_values_give_the_widest_interval():
    found = estimate([], [])
    assert math.isnan(found.mean) and (found.low, found.high) == (0.0, 1.0)


def test_95_percent_of_intervals_contain_the_true_share():
    """Clusters of two dependent draws; 95 % of intervals should hold the true share of 0.6."""
    dice, held = random.Random(1), 0
    for _ in range(400):
        values, clusters = [], []
        for cluster in range(60):
            level = dice.choice((0.35, 0.85))
            values += [float(dice.random() < level) for _ in range(2)]
            clusters += [str(cluster)] * 2
        found = estimate(values, clusters)
        held += found.low <= 0.6 <= found.high
    assert 0.92 <= held / 400 <= 0.98
