"""Reading a deal and choosing the games that are played."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.game.rules import Deal
from stages.core.recipe.game import Game


def read_deals(path: Path, rules: Game) -> list[Deal]:
    """The games of a `games.parquet` in `game_id` order, checked against the recipe's rules."""
    frame = tables.unique_key(tables.read(path, tables.GAMES), ["game_id"], path).sort("game_id")
    deals = [Deal(**row) for row in frame.iter_rows(named=True)]
    for game in deals:
        dealt = (game.players, game.clue_rounds, game.spy_view)
        wanted = (rules.players, rules.clue_rounds, rules.spy_view)
        if dealt != wanted:
            raise InputError(
                f"{path}: game '{game.game_id}' was dealt for (players, clue_rounds, spy_view) = {dealt}, but the "
                f"recipe plays {wanted}; deal anew with this recipe (vz make-games), or --set game.… to match"
            )
        if not 1 <= game.spy <= game.players:
            raise InputError(f"{path}: game '{game.game_id}': spy {game.spy} is no seat from 1 to {game.players}")
    return deals


def choose_split(deals: list[Deal], pairs: pl.DataFrame, split: str | None) -> list[Deal]:
    """Games on pairs of `split`; all for None. Pairs that a game needs must exist and have the picture it needs."""
    by_id = {pair["pair_id"]: pair for pair in pairs.select("pair_id", "split", "modified").iter_rows(named=True)}
    for game in deals:
        if game.pair_id not in by_id:
            raise InputError(f"game '{game.game_id}': its pair '{game.pair_id}' is not in pairs.parquet")
        if game.spy_view == "modified" and by_id[game.pair_id]["modified"] is None:
            raise InputError(
                f"pair '{game.pair_id}' has no modified picture: only --set game.spy_view=blank can be played on it"
            )
    chosen = [game for game in deals if split is None or by_id[game.pair_id]["split"] == split]
    if not chosen:
        raise InputError(f"no game on a pair of the split '{split}' among {len(deals)}; choose another with --split")
    return chosen
