"""A small real run of the fake engine, and what a hostile model could say in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, report
from stages.core.folder.artifact import Report
from tests.helpers import fake_recipe, write_games
from tests.report.runs import EVIL, ROUNDS, change_rounds, evil_round


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six rounds, alternating decision and clue. Tests must not change it: `run` is a copy."""
    folder = tmp_path_factory.mktemp("report")
    games = write_games(folder / "games", fake_recipe(), count=10)
    recipe = fake_recipe(f"iterate.rounds={ROUNDS}", "iterate.games=4", "iterate.switching=cycle")
    return iterate.run(recipe, folder / "runs" / "small", games=games).out


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A run beside its games, which tests may change."""
    shutil.copytree(small_run.parent.parent, tmp_path / "all")
    return tmp_path / "all/runs/small"


@pytest.fixture(scope="session")
def evil_report(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of a run with markup and scripts in its clues, warnings, metrics, recipe and folder name."""
    folder = tmp_path_factory.mktemp("evil") / "all"
    shutil.copytree(small_run.parent.parent, folder)
    run = (folder / "runs/small").rename(folder / "runs/<b onclick=alert(5)>run")
    for part in run.glob("round-*/rollouts/part-*.parquet"):
        rows = pl.read_parquet(part)
        clues = pl.col("turn").replace_strict(dict(enumerate(EVIL)), default="", return_dtype=pl.String)
        rows.with_columns(clue=pl.when(pl.col("phase") == "clue").then(clues)).write_parquet(part)
    change_rounds(run, evil_round)
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("path: tiny-model", "path: '</dd><script>alert(4)</script>'"))
    return report.run(run)
