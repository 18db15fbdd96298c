"""A run of two rounds that can be continued, and one in which hostile texts stand everywhere."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from stages import iterate
from stages.core.engines.base import Request
from stages.core.engines.fake import FakeEngine, plausible
from tests.helpers import fake_recipe, write_games
from tests.report.runs import EVIL, change_rounds, evil_round

ROUNDS, GAMES, RARE = 2, 4, "a teapot that nobody else names"


@dataclass(frozen=True)
class SmallRun:
    """A run, and how it goes on. Its thoughts are private; one clue of each round is `RARE`."""

    folder: Path
    games: Path

    def play(self, rounds: int) -> None:
        recipe = fake_recipe(f"iterate.rounds={rounds}", f"iterate.games={GAMES}", "iterate.switching=cycle")
        iterate.run(recipe, self.folder, games=self.games, engine=FakeEngine(_script))


def _script(request: Request, sample: int) -> str:
    said = rf"\boxed{{{RARE}}}" if request.order == (0, 1) else plausible(request, sample)
    return f"<think>Only I know {request.order[1]}.</think>\n{said}"


@pytest.fixture(scope="session")
def two_rounds(tmp_path_factory: pytest.TempPathFactory) -> SmallRun:
    """Tests must not change it: `run` is a copy."""
    folder = tmp_path_factory.mktemp("view")
    run = SmallRun(folder / "runs" / "small", write_games(folder / "games", fake_recipe(), count=10))
    run.play(ROUNDS)
    return run


@pytest.fixture
def run(two_rounds: SmallRun, tmp_path: Path) -> SmallRun:
    """A run beside its games, which tests may change."""
    shutil.copytree(two_rounds.games.parent, tmp_path / "all")
    return SmallRun(tmp_path / "all/runs/small", tmp_path / "all/games")


@pytest.fixture(scope="session")
def evil_run(two_rounds: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil") / "all"
    shutil.copytree(two_rounds.games.parent, folder)
    run = (folder / "runs/small").rename(folder / "runs/<b onclick=alert(5)>run")
    for part in run.glob("round-*/rollouts/part-*.parquet"):
        rows = pl.read_parquet(part)
        texts = pl.col("turn").replace_strict(dict(enumerate(EVIL)), default=EVIL[0], return_dtype=pl.String)
        clue = pl.when(pl.col("phase") == "clue").then(texts)
        rows.with_columns(clue=clue, completion=texts, thought=texts, policy=texts).write_parquet(part)
    change_rounds(run, evil_round)
    return run
