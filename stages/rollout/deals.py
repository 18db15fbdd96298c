"""Reads a deal and chooses the games to play."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.play.playable import check_spy_view
from stages.core.recipe.game import Game
from stages.core.recipe.rollout import Seats


def read_deals(path: Path, rules: Game) -> pl.DataFrame:
    """The games in a `games.parquet`, in `game_id` order, checked against the recipe's rules.

    The recipe decides what the spy sees, whatever the deal says.
    """
    frame = tables.unique_key(tables.read(path, tables.GAMES), ["game_id"], path).sort("game_id")
    wanted = {"players": rules.players, "clue_rounds": rules.clue_rounds}
    other = frame.filter(pl.any_horizontal(pl.col(name).ne_missing(value) for name, value in wanted.items()))
    for game in other.head(1).iter_rows(named=True):
        dealt = " ".join(f"--set game.{name}={game[name]}" for name in wanted)
        here = " and ".join(f"{name}={value}" for name, value in wanted.items())
        raise InputError(
            f"{path}: game '{game['game_id']}' was dealt for other rules than {here}; add {dealt}, or give the "
            "games' recipe with --recipe"
        )
    no_seat = ~pl.col("spy").is_between(1, rules.players).fill_null(False)
    for game in frame.filter(no_seat).head(1).iter_rows(named=True):
        raise InputError(
            f"{path}: game '{game['game_id']}': the spy is {game['spy']}, which is not a seat from 1 to "
            f"{rules.players}; deal again"
        )
    return frame.with_columns(spy_view=pl.lit(rules.spy_view))


def read_seats(deal: Path) -> dict[str, Seats]:
    """Which policy plays which role, by `game_id`. Empty without a `seats.parquet`: the recipe's seats then apply."""
    path = deal / "seats.parquet"
    if not path.is_file():
        return {}
    frame = tables.unique_key(tables.read(path, tables.SEATS), ["game_id"], path)
    dealt = tables.read(deal / "games.parquet", tables.GAMES, ["game_id"])["game_id"]
    odd = set(frame["game_id"]) ^ set(dealt)
    if odd:
        raise InputError(f"{path}: game '{min(odd)}' is not in both seats.parquet and games.parquet; deal again")
    if any(frame.null_count().row(0)):
        raise InputError(f"{path}: a seat is null; name a policy for every role")
    seats = cache(lambda civilian, spy, analyst: Seats(civilian=civilian, spy=spy, analyst=analyst))
    return {game_id: seats(*policies) for game_id, *policies in frame.iter_rows()}


def choose_split(deals: pl.DataFrame, pairs: pl.DataFrame, split: str | None) -> pl.DataFrame:
    """The games on pairs of `split`; None chooses all. `InputError` if a game's pair or its picture is missing."""
    known = pairs.select("pair_id", "split", "modified", there=True)
    games = deals.join(known, on="pair_id", how="left", maintain_order="left")
    for game in games.filter(pl.col("there").is_null()).head(1).iter_rows(named=True):
        raise InputError(f"game '{game['game_id']}': its pair '{game['pair_id']}' is not in pairs.parquet")
    check_spy_view(games.filter(pl.col("spy_view") == "modified"), "modified")
    chosen = games if split is None else games.filter(pl.col("split") == split)
    if chosen.is_empty():
        raise InputError(
            f"none of the {len(deals)} games is on a pair in the split '{split}'; choose another with --split"
        )
    return chosen.select(list(tables.GAMES))
