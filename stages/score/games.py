"""Scores a block of games: who got which votes, what each completion earned, and its advantage within its game."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.play.counting import count_votes, judge_games
from stages.core.recipe.game import Game
from stages.score.advantages import IS_CURRENT, Baselines, group_advantage, move
from stages.score.interface import Rewards

COLUMNS = [*tables.KEY, "phase", "player", "role", "policy", "finish_reason", "vote", "vote_kind"]
IS_CLUE, IS_VOTE, IS_SPY = pl.col("phase") == "clue", pl.col("phase") == "decision", pl.col("role") == "spy"


@dataclass(frozen=True)
class Scored:
    """The result for a block of games."""

    rows: pl.DataFrame  # the columns of `tables.SCORED`, and `policy`; clue advantages are unscaled
    games: pl.DataFrame  # the columns of `tables.SCORED_GAMES`, and `is_current`: whether the current policy voted
    baselines: Baselines  # after these games


def score_games(
    rows: pl.DataFrame, games: pl.DataFrame, rules: Game, rewards: Rewards, before: Baselines, moves: bool, where: Path
) -> Scored:
    """Score the rows of `games`. `moves` says whether the role baselines move."""
    rows = checked(rows, games, where).with_row_index("place")
    votes = count_votes(rows, games, rules)
    judged = judge_games(rows, votes, rules)
    seats = _seats(votes, judged, rows, rewards)
    clues, after = score_clues(rows, seats, rewards, before, moves)
    scored = pl.concat([clues, score_votes(rows, votes, rewards)]).sort("place").drop("place")
    if len(rows) != len(scored) or scored["advantage"].null_count():
        raise InputError(f"{where}: a row cannot be scored, since its seat or phase is unknown; play the games again")
    voted = rows.filter(IS_VOTE & IS_CURRENT).select("game_id").unique()
    judged = judged.join(voted.with_columns(is_current=True), on="game_id", how="left", maintain_order="left")
    return Scored(scored, judged.with_columns(pl.col("is_current").fill_null(False)), after)


def checked(rows: pl.DataFrame, games: pl.DataFrame, where: Path) -> pl.DataFrame:
    """The rows sorted by their key. `InputError` unless the key is unique and every row fits its game."""
    if _is_increasing(rows):
        rows = rows.with_columns(pl.col("game_id").set_sorted())
    else:
        rows = tables.unique_key(rows, tables.KEY, where).sort(tables.KEY)
    joined = rows.join(games.select("game_id", "spy", "players"), on="game_id", how="left", maintain_order="left")
    wrong = joined.filter(
        pl.col("spy").is_null()
        | (IS_SPY & (pl.col("player") != pl.col("spy")))
        | ~pl.col("vote").is_between(1, pl.col("players"))
    )
    if len(wrong):
        key = {name: wrong[name][0] for name in tables.KEY}
        raise InputError(
            f"{where}: the row {key} does not match games.parquet (seat, role or game); play the games again"
        )
    return rows


def _is_increasing(rows: pl.DataFrame) -> bool:
    """Whether each row's key is greater than the one before, i.e. sorted and unique."""
    game, turn, sample = (pl.col(name) for name in tables.KEY)
    later = sample > sample.shift()
    for column in (turn, game):
        later = (column > column.shift()) | ((column == column.shift()) & later)
    return bool(rows.lazy().select(later.slice(1).fill_null(False).all()).collect().item())


def _seats(votes: pl.DataFrame, judged: pl.DataFrame, rows: pl.DataFrame, rewards: Rewards) -> pl.DataFrame:
    """Each seat of each game with its role, its votes (as cast, or weighted by `votes_worth`), and clues if read."""
    worth: int | None = rewards.settings.votes_worth
    if worth is not None:
        votes = votes.join(judged.select("game_id", "cast_votes"), on="game_id", maintain_order="left").select(
            "game_id", "spy", "seat", votes=pl.col("votes") * (worth / pl.col("cast_votes"))
        )
    role = pl.when(pl.col("seat") == pl.col("spy")).then(pl.lit("spy")).otherwise(pl.lit("civilian"))
    seats = votes.with_columns(role=role, players=pl.len().over("game_id"))
    if "clue" not in rows.columns:
        return seats
    clues = rows.filter(IS_CLUE).group_by("game_id", seat="player", maintain_order=True).agg(clues="clue")
    return seats.join(clues, on=["game_id", "seat"], how="left", maintain_order="left")


def score_clues(
    rows: pl.DataFrame, seats: pl.DataFrame, rewards: Rewards, before: Baselines, moves: bool
) -> tuple[pl.DataFrame, Baselines]:
    """The scored clues, and the new baselines. Every clue of a player gets that player's advantage."""
    reward, clues = pl.col("reward"), rows.filter(IS_CLUE)
    seats = rewards.for_seats(seats)
    others = clues.filter(~IS_CURRENT).select("game_id", "role", is_other=True).unique()  # eq. 2 leaves these out
    own = seats.join(others, on=["game_id", "role"], how="left").filter(pl.col("is_other").is_null())
    per_game = seats.select("game_id").unique().join(
        own.group_by("game_id").agg(r_s=reward.filter(IS_SPY).first(), r_c=reward.filter(~IS_SPY).mean()),
        on="game_id", how="left",
    )  # fmt: skip
    per_game, after = move(per_game, before, rewards.settings, moves)
    baseline = pl.when(IS_SPY).then(pl.col("b_s")).otherwise(pl.col("b_c"))
    seats = seats.join(per_game, on="game_id").select(
        "game_id", "reward", "reward_parts", player="seat", votes_received="votes", baseline=baseline
    )
    scored = clues.join(seats, on=["game_id", "player"], how="left").with_columns(
        advantage=reward - pl.col("baseline"), correct=pl.lit(None, dtype=pl.Boolean)
    )
    return _finished(scored), after


def score_votes(rows: pl.DataFrame, votes: pl.DataFrame, rewards: Rewards) -> pl.DataFrame:
    """The scored votes, with eq. 5 over the votes of each game."""
    games = votes.group_by("game_id").agg(pl.col("spy").first(), players=pl.len())
    cast = rows.filter(IS_VOTE).drop("clue", strict=False)
    cast = cast.join(games, on="game_id", how="left", maintain_order="left")
    cast = cast.with_columns(correct=(pl.col("vote") == pl.col("spy")).fill_null(False))
    scored = rewards.for_votes(cast.drop("place")).with_columns(
        cast["place"],
        baseline=pl.col("reward").mean().over("game_id"),
        advantage=group_advantage(pl.col("reward"), "game_id", rewards.settings),
        votes_received=pl.lit(None, dtype=pl.Float64),
    )
    return _finished(scored)


def _finished(scored: pl.DataFrame) -> pl.DataFrame:
    """The columns of SCORED, and those needed later."""
    scored = scored.with_columns(group_id="game_id", truncated=pl.col("finish_reason") == "length")
    return scored.select([*tables.SCORED, "policy", "place"])
