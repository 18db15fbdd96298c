"""A voter who sees everything finds the spy when only the spy says something false, and draws lots otherwise."""

import json
from pathlib import Path

import polars as pl
import pytest

from stages import rollout
from stages.core import tables
from tests.helpers import fake_recipe, write_games
from tests.learning.headroom import found_by_clues

FALSE = "There are nine cubes."


@pytest.mark.parametrize(("liar", "chance"), [("spy", 1.0), (None, 0.25), ("civilian", 0.0)])
def test_it_finds_whoever_says_most_that_is_false(liar: str | None, chance: float, tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe(), count=4, scenes=True)
    rollouts = rollout.run(fake_recipe("game.players=4"), games, tmp_path / "rollouts", split=None).out
    pairs = pl.read_parquet(games / "pairs.parquet").select("pair_id", "scene")
    dealt = pl.read_parquet(rollouts / "games.parquet").select("game_id", "pair_id").join(pairs, on="pair_id")
    true = {game: _true_of(json.loads(scene)) for game, scene in dealt.select("game_id", "scene").iter_rows()}
    for part in tables.parts_of(rollouts):
        rows = pl.read_parquet(part)
        said = [
            None if phase != "clue" else FALSE if role == liar else true[game]
            for game, phase, role in rows.select("game_id", "phase", "role").iter_rows()
        ]
        rows.with_columns(clue=pl.Series(said, dtype=pl.String)).write_parquet(part)
    found = found_by_clues(rollouts, games)
    assert len(found) == len(dealt) and found["found"].to_list() == [chance] * len(dealt)


def _true_of(scene: dict) -> str:
    first = scene["objects"][0]
    return f"There is a {first['color']} {first['shape']}."
