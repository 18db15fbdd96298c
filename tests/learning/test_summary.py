"""The proof's arithmetic and its verdicts, on figures made by hand; the proof itself is `make prove-learning`."""

from copy import deepcopy

import polars as pl
import pytest

from stages.core.recipe import load
from tests.learning.arms import ARMS, PROOF
from tests.learning.page import page
from tests.learning.rungs import RUNGS
from tests.learning.summary import Figures, changes, claims, over_seeds, summarise, table

TINY, ENGLISH = RUNGS["tiny"], RUNGS["english"]


def evaluation(sampled: float, greedy: float) -> Figures:
    share = {"sampled": 0.3, "greedy": 0.4, "na": 0.01}
    clue = {"true": 0.9, "copied": 0.3, "true_of_civilians_picture": 0.4}
    change = {"sampled": sampled, "sampled_interval": [sampled - 0.06, sampled + 0.06]}
    change |= {"greedy": greedy, "greedy_interval": [greedy - 0.06, greedy + 0.06]}
    return {
        "arena": {"win_rate": 0.6, "as_civilians": {"win_rate": 0.7}, "as_spy": {"win_rate": 0.5}},
        "decision": {"current": share, "opponent": share, "change": change},
        "clues": {"civilian": clue, "spy": clue},
        "transfer": {"change": 0.0},
    }


def seed(sampled: float, greedy: float, wins: int, games: int = 100) -> Figures:
    pairs = [f"p{number}" for number in range(games)]
    curve = [{"iteration": number, **evaluation(sampled, greedy)} for number in (0, 10)]
    return {
        "evaluation": evaluation(sampled, greedy),
        "won": pl.DataFrame({"pair_id": pairs, "value": [1.0] * wins + [0.0] * (games - wins)}),
        "transfer": pl.DataFrame({"pair_id": pairs, "value": [0.0] * games}),
        "curve": curve,
        "phases": ["decision", "clue"],
        "abilities": {},
    }


def learned() -> dict[str, dict[int, Figures]]:
    good = {11: seed(0.2, 0.05, 66), 12: seed(0.25, 0.1, 62), 13: seed(0.15, 0.02, 70)}
    return {"iterative-spo": good, "shuffled": {number: seed(-0.01, -0.02, 50) for number in good}}


def test_students_interval_by_hand():
    found = over_seeds({1: 0.1, 2: 0.2, 3: 0.3})
    half = 4.303 * 0.1 / 3**0.5  # standard deviation 0.1, two degrees of freedom
    assert found["mean"] == pytest.approx(0.2)
    assert found["interval"] == pytest.approx([0.2 - half, 0.2 + half])
    assert over_seeds({1: 0.1})["interval"] is None


def test_wins_are_pooled_over_the_seeds_games():
    won = summarise(learned())["iterative-spo"]["win rate"]
    assert won["mean"] == pytest.approx(0.66) and won["count"] == 300
    assert won["interval"][0] == pytest.approx(0.66 - 1.96 * (0.66 * 0.34 / 300) ** 0.5, abs=0.005)


def test_all_claims_hold_for_a_run_that_learned():
    checked = claims(summarise(learned()), TINY)
    assert checked and all(holds for holds, _ in checked.values())


@pytest.mark.parametrize(
    ("arm", "changed", "failing"),
    [
        ("iterative-spo", seed(-0.01, 0.1, 66), "sampled accuracy rises for every seed"),
        ("iterative-spo", seed(0.2, -0.01, 66), "greedy accuracy rises for every seed"),
        ("iterative-spo", seed(0.02, 0.1, 66), "sampled accuracy rises by 0.15 on average"),
        ("iterative-spo", seed(0.2, 0.1, 10), "win rate against the base is 0.60 or more"),
        ("shuffled", seed(0.3, 0.0, 50), "control: shuffled advantages do not raise sampled accuracy"),
        ("shuffled", seed(0.0, 0.0, 100), "control: the interval of its win rate does not lie above 0.5"),
    ],
)
def test_a_claim_fails_where_its_figures_do(arm: str, changed: Figures, failing: str):
    read = deepcopy(learned())
    read[arm][12] = changed
    assert not claims(summarise(read), TINY)[failing][0]


def test_a_loss_of_transfer_fails():
    read = learned()
    for one in read["iterative-spo"].values():
        one["transfer"] = one["transfer"].with_columns(value=pl.Series([-1.0] * 5 + [0.0] * 95))
    assert not claims(summarise(read), TINY)["transfer: the interval's low end is above -0.02"][0]


def test_table_and_page_show_every_arm():
    figures = summarise(learned())
    shown = table(figures)
    assert all(f"| {arm} |" in shown for arm in PROOF) and "0.660 [" in shown and "+0.200" in shown
    text = page(figures, claims(figures, TINY))
    assert text.count("<svg") >= 5 and "fails" not in text.split("<h2>")[0]


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_is_a_recipe(arm: str):
    for rung in RUNGS.values():
        load(rung.recipe, [*ARMS[arm], *rung.judged, *rung.curve])


BEFORE = {"captions_right": 0.8, "attributes_right": 0.9, "questions_right": 0.5, "perplexity": 20.0}


@pytest.mark.parametrize(
    ("after", "failing"),
    [
        ({}, []),
        ({"captions_right": 0.78}, ["captions right: no more than 0.01 lower"]),
        ({"attributes_right": 0.7}, ["attributes right: no more than 0.01 lower"]),
        ({"perplexity": 20.7}, ["perplexity: no more than 3 % higher"]),
    ],
)
def test_one_english_seed_shows_what_the_model_lost(after: dict[str, float], failing: list[str]):
    learned = {1: {**seed(0.14, 0.1, 66), "abilities": changes(BEFORE, {**BEFORE, **after})}}
    figures = summarise({"iterative-spo": learned, "shuffled": {1: seed(0.0, 0.0, 50)}})
    checked = claims(figures, ENGLISH)
    assert [claim for claim, (holds, _) in checked.items() if not holds] == failing
    assert "[+0.080, +0.200]" in checked["sampled accuracy rises by 0.12 on average"][1]  # over transcripts
