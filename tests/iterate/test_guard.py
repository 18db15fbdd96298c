"""The guard set: fixed questions about held-out pictures, compared with the start model's answers."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import iterate
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine, plausible
from stages.core.errors import InputError
from stages.core.recipe.alarms import Alarms
from stages.iterate.alarms import raised
from tests.helpers import fake_recipe, write_games

SMALL = ["iterate.games=4", "rollout.concurrent_games=2", "train.total_updates=9", "iterate.rounds=3"]
GUARD = ["iterate.guard.every=2", "iterate.guard.questions=12"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_games(tmp_path_factory.mktemp("guard") / "games", fake_recipe(), count=20, scenes=True)


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


class Forgets(FakeEngine):
    """Says yes to every question until it has been trained, and then nothing that can be read."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.asked = 0

    def answer(self, request: Request, sample: int) -> str:
        if not request.about.startswith("'q"):
            return plausible(request, sample)
        self.asked += 1
        return "\\boxed{yes}" if self.version("current") == self.first else "nothing"

    def load(self, policy: str, model: str | Path, version: str) -> None:
        super().load(policy, model, version)
        self.first = getattr(self, "first", version)


def test_the_policy_answers_every_few_rounds_and_is_compared_with_the_start(scenes: Path, tmp_path: Path):
    run, engine = tmp_path / "run", Forgets()
    report = iterate.run(fake_recipe(*SMALL, *GUARD), run, games=scenes, engine=engine)
    assert engine.asked == 2 * 12  # at the start, and by the policy that plays round 3
    first, second, third = rows(run)
    assert "guard" not in first and "guard" not in second
    start = pl.read_parquet(run / "guard/answers.parquet")
    pairs = pl.read_parquet(scenes / "pairs.parquet").filter(split="dev")
    assert set(start["pair_id"]) == set(pairs["pair_id"])
    yes = (start["answer"] == "yes").mean()
    assert yes > 0 and third["guard"]["right"] == 0
    assert third["guard"]["change"] == pytest.approx(-yes)
    assert (third["alarms"] == ["guard"]) == (third["guard"]["change_interval"][1] < 0)
    assert any("alarm guard: 0% of the guard set" in each for each in report.warnings) == (third["alarms"] == ["guard"])


def test_lost_answers_of_the_start_are_given_again(scenes: Path, tmp_path: Path):
    run = tmp_path / "run"
    iterate.run(fake_recipe(*SMALL, *GUARD, "iterate.rounds=1"), run, games=scenes)
    table = (run / "guard/answers.parquet").read_bytes()
    (run / "guard/answers.parquet").unlink()
    iterate.run(fake_recipe(*SMALL, *GUARD, "iterate.rounds=3"), run, games=scenes)
    assert (run / "guard/answers.parquet").read_bytes() == table and "guard" in rows(run)[2]


def test_games_without_scenes_have_no_guard_set(games: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"no CLEVR scenes in the split 'dev'.*iterate.guard.every=0"):
        iterate.run(fake_recipe(*SMALL, *GUARD), tmp_path / "run", games=games)


@pytest.mark.parametrize(("high", "limit", "count"), [(-0.01, 0.0, 1), (0.01, 0.0, 0), (-0.01, 0.02, 0)])
def test_the_whole_interval_must_be_below_the_limit(high: float, limit: float, count: int):
    guard = {"right": 0.5, "change": -0.05, "change_interval": [-0.09, high]}
    alarms = Alarms.model_validate({"guard": {"limit": limit}})
    assert len(raised([{"guard": guard}], alarms)) == count
    assert not raised([{"guard": guard}, {}], alarms)  # only in the round that was measured
