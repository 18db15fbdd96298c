import json
from pathlib import Path

import pytest

from stages import evaluate
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.evaluate.intervals import wilson
from tests.helpers import fake_recipe


def spy_named_by_current(request: Request, sample: int) -> str:
    """Votes of `current` are split, so that it finds nobody; votes of `opponent` all go to seat 1."""
    if "Find the spy" not in str(request.messages):
        return "\\boxed{a red cube}"
    return "\\boxed{1}" if request.policy == "opponent" else f"\\boxed{{{sample % 4 + 1}}}"


def test_both_sides_play_the_same_deals_and_wins_add_up(games: Path, tmp_path: Path):
    recipe = fake_recipe("evaluate.games=16", "evaluate.split=train")
    report = evaluate.run(recipe, games, tmp_path / "out", engine=FakeEngine(spy_named_by_current))
    counts = report.counts
    deals = [(tmp_path / f"out/{side}/games.parquet").read_bytes() for side in ("civilians", "spy")]
    assert deals[0] == deals[1]
    assert counts["games"] == 16 and counts["as_civilians"]["wins"] == 0
    import polars as pl

    spies = pl.read_parquet(tmp_path / "out/spy/games.parquet")["spy"].to_list()
    assert counts["as_spy"]["wins"] == sum(spy != 1 for spy in spies)  # the opponent always accuses seat 1
    assert counts["wins"] == counts["as_spy"]["wins"]
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == counts


def test_evaluation_gives_the_same_again(games: Path, tmp_path: Path):
    recipe = fake_recipe("evaluate.games=10", "evaluate.split=train")
    first, second = (evaluate.run(recipe, games, tmp_path / name).counts for name in ("a", "b"))
    assert first == second


def test_an_odd_number_of_games_cannot_be_mirrored_and_greedy_can_be_judged(games: Path, tmp_path: Path):
    with pytest.raises(InputError, match="multiple of 2"):
        fake_recipe("evaluate.games=5")
    recipe = fake_recipe("evaluate.games=2", "evaluate.split=train", "rollout.temperature=0")
    assert evaluate.run(recipe, games, tmp_path / "out").counts["games"] == 2


def test_a_split_without_pairs_is_an_error(tmp_path: Path):
    from tests.helpers import write_games

    recipe = fake_recipe()
    with pytest.raises(InputError, match="no pairs of the split 'test'"):
        evaluate.run(recipe, write_games(tmp_path / "games", recipe, count=3), tmp_path / "out")


# Wilson's interval for 8 of 10 at 95 %, from the formula worked by hand with z = 1.959964.
def test_wilson_by_hand():
    low, high = wilson(8, 10, 0.95)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert wilson(0, 0, 0.95) == (0.0, 1.0)
