"""Deals the games of a round, of its held-out signal, or of the transcripts that evaluate a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.game.rules import deal
from stages.core.play.folder import deal_table
from stages.core.recipe import Recipe
from stages.core.seeds import derive
from stages.iterate.opponents import SEATS, assign_seats


def deal_games(
    out: Path,
    recipe: Recipe,
    games: Path,
    *,
    split: str,
    count: int,
    purpose: str,
    iteration: int,
    plays: int = 1,
    opponents: Sequence[str] = (),
    left_out: Collection[str] = (),
) -> Report:
    """Deal `count` games, each `plays` times, on the pairs of `split` in `games`, by seed, purpose and iteration.

    No game is dealt on the pairs in `left_out`. `opponents` take one side of some games (`iterate.opponents`), on the
    same pairs and with the same spies as without them.
    """

    def make(work: Path) -> Outcome:
        pairs = tables.read(games / "pairs.parquet", tables.PAIRS, ["pair_id", "split"])
        ids = pairs.filter(pl.col("split") == split, ~pl.col("pair_id").is_in(list(left_out)))["pair_id"].to_list()
        if not ids:
            raise InputError(
                f"{games}: has no pairs in the split '{split}'; make more, choose another with --set "
                "evaluate.split=train, or leave evaluations out with --set evaluate.every=0"
            )
        seed = derive(recipe.seed, purpose)
        deals = deal(ids, count, recipe.game, seed=seed, iteration=iteration, plays=plays)
        tables.write(deal_table(deals), work / "games.parquet", tables.GAMES)
        if seats := assign_seats(deals, opponents, recipe, iteration):
            rows = [{"game_id": game, **policies.model_dump()} for game, policies in seats.items()]
            tables.write(tables.from_rows(rows, tables.SEATS), work / SEATS, tables.SEATS)
        return Outcome({"games": len(deals)})

    settings = {
        **recipe.settings("game"), "iteration": iteration, "split": split, "count": count,
        "left_out": sorted(left_out), "opponents": list(opponents),
    }  # fmt: skip
    return artifact.produce(out, stage="deal", settings=settings, inputs={"games": games}, make=make, overwrite=True)
