import math

import pytest

from stages.evaluate.tournament import PRIOR, elo


def test_two_players_by_hand():
    """With two players the likeliest P(a beats b) is a's share of the wins, with the prior's half win on each side."""
    wins = {("a", "b"): 30.0, ("b", "a"): 70.0}
    share = (70 + PRIOR) / (100 + 2 * PRIOR)
    assert elo(["a", "b"], wins) == pytest.approx({"a": 0.0, "b": 400 * math.log10(share / (1 - share))})


def test_expected_wins_equal_wins_for_every_player():
    """This defines the likeliest ratings."""
    names = ["base", "x", "y"]
    wins = {
        ("base", "x"): 12.0,
        ("x", "base"): 28.0,
        ("base", "y"): 5.0,
        ("y", "base"): 35.0,
        ("x", "y"): 15.0,
        ("y", "x"): 25.0,
    }
    ratings = elo(names, wins)
    for name in names:
        won = sum(count + PRIOR for (one, _), count in wins.items() if one == name)
        expected = sum(
            (wins[name, other] + wins[other, name] + 2 * PRIOR) / (1 + 10 ** ((ratings[other] - ratings[name]) / 400))
            for other in names
            if other != name
        )
        assert won == pytest.approx(expected, abs=1e-4)


def test_a_clean_sweep_is_finite_and_players_who_never_met_are_equal():
    assert 0 < elo(["a", "b"], {("a", "b"): 0.0, ("b", "a"): 50.0})["b"] < 1000
    assert elo(["a", "b"], {}) == {"a": 0.0, "b": 0.0}
