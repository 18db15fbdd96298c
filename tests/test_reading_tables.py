"""The ways of opening the tables that docs/tables.md shows: Polars, datasets, DuckDB."""

from pathlib import Path

import polars as pl
import pytest

from stages import iterate
from tests.helpers import fake_recipe


@pytest.fixture
def run(games: Path, tmp_path: Path) -> Path:
    return iterate.run(fake_recipe("iterate.rounds=2", "iterate.games=3"), tmp_path / "run", games=games).out


def test_polars_joins_rows_and_rewards(run: Path):
    rows = pl.read_parquet(f"{run}/round-0001/rollouts/part-*.parquet")
    scored = pl.read_parquet(f"{run}/round-0001/scored/scored.parquet")
    joined = rows.join(scored, on=["game_id", "turn", "sample"])
    assert joined.select("role", "clue", "vote", "reward", "advantage").height == 3 * (4 + 8)


def test_datasets_reads_all_rounds(run: Path, tmp_path: Path):
    from datasets import load_dataset

    files = f"{run}/round-*/rollouts/part-*.parquet"
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 2 * 3 * (4 + 8) and rows[0]["prompt"][0]["role"] == "user"


def test_duckdb_queries_them(run: Path):
    import duckdb

    query = f"SELECT role, avg(reward) FROM '{run}/round-*/scored/scored.parquet' GROUP BY role ORDER BY role"
    assert [role for role, _ in duckdb.sql(query).fetchall()] == ["analyst", "civilian", "spy"]
