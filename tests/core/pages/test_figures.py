import math

from stages.core.pages.figures import clue_phases, evaluation_curves, value_of
from stages.core.pages.run_files import flat


def rows(*evaluations: dict | None) -> list[dict]:
    return [flat({"iteration": number, **(one or {})}) for number, one in enumerate(evaluations, start=1)]


def test_an_evaluation_becomes_curves_with_bands_by_group():
    one = {
        "win_rate": 0.5, "win_rate_interval": [0.4, 0.6], "games": 200,
        "decision": {"current": {"sampled": 0.6, "sampled_interval": [0.5, 0.7], "tokens": 4.4}, "transcripts": 9},
    }  # fmt: skip
    two = {"win_rate": 0.7, "win_rate_interval": [0.6, 0.8], "decision": {"current": {"sampled": 0.8}}}
    found = evaluation_curves(rows(None, one, None, two))
    assert list(found) == ["win_rate", "decision"]
    win_rate, sampled = found["win_rate"][0], found["decision"][0]
    assert (win_rate.name, win_rate.points) == ("win rate", {2: (0.5, 0.4, 0.6), 4: (0.7, 0.6, 0.8)})
    assert sampled.name == "current · sampled"  # tokens has no interval, sampled has
    assert sampled.points == {2: (0.6, 0.5, 0.7), 4: (0.8, None, None)}
    assert [len(curves) for curves in found.values()] == [1, 1]


def test_a_group_without_intervals_has_all_its_fractions():
    given = {"decision": {"sampled": 0.4, "greedy": 0.5, "na": math.nan, "games": 100, "chance": 0.25, "note": "x"}}
    found = evaluation_curves(rows(given))
    assert [one.name for one in found["decision"]] == ["sampled", "greedy", "na"]
    assert found["decision"][2].points == {1: (None, None, None)}
    assert found["decision"][0].points == {1: (0.4, None, None)}


def test_a_whole_number_with_an_interval_is_a_curve():
    assert evaluation_curves(rows({"win_rate": 1, "win_rate_interval": [0.9, 1]}))["win_rate"][0].points == {
        1: (1, 0.9, 1)
    }


def test_an_interval_swapped_by_rounding_is_no_error():
    found = evaluation_curves(rows({"copied": 0.3, "copied_interval": [0.1 + 0.2, 0.3]}))["copied"][0]
    assert found.points == {1: (0.3, 0.3, 0.1 + 0.2)}


def test_a_run_without_evaluations_has_no_evaluation_curves():
    assert evaluation_curves(rows(None, None)) == {} and evaluation_curves([{"iteration": 1}]) == {}


def test_neighbouring_clue_rounds_are_one_phase():
    phases = ["decision", "clue", "clue", "decision", "clue", "both"]
    found = clue_phases([{"iteration": number, "phase": phase} for number, phase in enumerate(phases, start=1)])
    assert found == [(1.5, 3.5), (4.5, 5.5)]


def test_a_value_may_be_nested_or_a_ratio_or_missing():
    train = {"kl": 0.5, "loss": math.nan, "state": "abc"}
    row = flat({"train": train, "tokens": 12, "rows": 4, "none": 0, "acc": True})
    found = {at: value_of(row, at) for at in ("train.kl", "train.loss", "train.state", "train.x.y", "x", "acc")}
    assert found == {**dict.fromkeys(found), "train.kl": 0.5}
    assert value_of(row, "tokens / rows") == 3 and value_of(row, "tokens / none") is None
    assert value_of(row, "x / rows") is None
