from pathlib import Path

import pytest

from stages import evaluate, iterate
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from tests.helpers import fake_recipe, write_games


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    recipe = fake_recipe("iterate.rounds=4", "iterate.games=4", "iterate.keep_every=2", "iterate.keep_checkpoints=1")
    games = write_games(folder / "games", recipe, count=20)
    return iterate.run(recipe, folder / "run", games=games).out


def test_every_kept_checkpoint_meets_every_other(run: Path, tmp_path: Path):
    recipe = fake_recipe("evaluate.games=8")
    counts = evaluate.cross_play(recipe, run.parent / "games", run, tmp_path / "out").counts
    names = ["base", *sorted(folder.parent.name for folder in run.glob("round-*/checkpoint"))]
    assert list(counts["elo"]) == names and len(names) >= 3 and counts["elo"]["base"] == 0
    assert counts["games"] == 8 * len(names) * (len(names) - 1) // 2
    assert all(set(row) == set(names) - {name} for name, row in counts["civilians_win"].items())


def test_a_policy_that_finds_the_spy_is_rated_higher(run: Path, tmp_path: Path):
    engine = _Better()
    counts = evaluate.cross_play(
        fake_recipe("evaluate.games=80"), run.parent / "games", run, tmp_path / "out", engine=engine
    )
    elo = counts.counts["elo"]
    assert max(elo, key=lambda name: elo[name]) == sorted(elo)[-1] and elo[sorted(elo)[-1]] > 30


class _Better(FakeEngine):
    """The last checkpoint is the only one whose votes agree; N/A is the answer of all others, so that spies win."""

    def __init__(self) -> None:
        super().__init__(self._script)
        self._last: dict[str, bool] = {}

    def load(self, policy: str, model: str | Path, version: str) -> None:
        super().load(policy, model, version)
        self._last[policy] = "round-0004" in str(model)

    def _script(self, request: Request, sample: int) -> str:
        if "Find the spy" not in str(request.messages):
            return "\\boxed{a clue}"
        return "\\boxed{1}" if self._last[request.policy] else "\\boxed{N/A}"


def test_a_folder_without_checkpoints_is_an_error(tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(), count=10)
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match="has no round-"):
        evaluate.cross_play(fake_recipe(), games, tmp_path / "run", tmp_path / "out")
