"""From rollouts to scored rows: who got which votes, what each completion earned, and its advantage."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.game.rules import ActivePhase
from stages.core.play.votes import count_votes, judge_games
from stages.core.recipe import Recipe
from stages.core.recipe.game import Game
from stages.core.recipe.scoring import Score
from stages.core.seeds import rng
from stages.score.advantages import IS_CURRENT, Baselines, group_advantage, move, read_baselines, scaled_by_role
from stages.score.interface import Rewards

COLUMNS = [*tables.KEY, "phase", "player", "role", "policy", "finish_reason", "clue", "vote", "vote_kind"]
IS_CLUE, IS_VOTE, IS_SPY = pl.col("phase") == "clue", pl.col("phase") == "decision", pl.col("role") == "spy"


def run(
    recipe: Recipe,
    rollouts: Path,
    out: Path,
    *,
    phase: ActivePhase = "both",
    baselines: Path | None = None,
    overwrite: bool = False,
) -> Report:
    """Score every row of `rollouts`.

    `phase` is what trains in this round: role baselines move in clue rounds only, unless the recipe says both.
    `baselines` is the `baselines.json` of the round before; without it they start at zero.
    """
    played = artifact.manifest_of(rollouts, "rollout")["settings"]["game"]
    rules = Game.model_validate(played)  # as the games were played, whatever the recipe says now
    rewards = Rewards.of(recipe.score)
    moves = phase != "decision" or recipe.score.baseline_phases == "both"

    def make(work: Path) -> Outcome:
        rows, games = read_rollouts(rollouts, with_completions=rewards.reads_completions)
        votes = count_votes(rows, games, rules)
        judged = judge_games(rows, votes, rules)
        seats = _seats(votes, judged, rows, recipe.score)
        clues, after = score_clues(rows, seats, rewards, read_baselines(baselines), moves)
        scored = pl.concat([clues, score_votes(rows, votes, rewards)]).sort(tables.KEY)
        if len(rows) != len(scored) or scored["advantage"].null_count():
            raise InputError(f"{rollouts}: a row could not be scored: its seat or phase is unknown; play it again")
        if recipe.score.shuffle:
            scored = shuffled(scored, recipe.seed)
        tables.write(scored.select(list(tables.SCORED)), work / "scored.parquet", tables.SCORED)
        tables.write(judged, work / "games.parquet", tables.SCORED_GAMES)
        write_json(work / "baselines.json", asdict(after))
        return Outcome({**_counts(scored, judged), "baselines": asdict(after)})

    inputs = {"rollouts": rollouts} | ({"baselines": baselines} if baselines else {})
    settings = {**recipe.settings("score"), "game": played, "phase": phase}  # with the seed, which `shuffled` needs
    return artifact.produce(out, stage="score", settings=settings, inputs=inputs, make=make, overwrite=overwrite)


def read_rollouts(folder: Path, with_completions: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows, without their long columns, and the games of a folder of rollouts. Every row must fit its game."""
    rows = tables.read_parts(folder, tables.ROLLOUTS, [*COLUMNS, "completion"] if with_completions else COLUMNS)
    games = tables.read(folder / "games.parquet", tables.GAMES)
    joined = tables.unique_key(rows, tables.KEY, folder).join(
        games.select("game_id", "spy", "players"), on="game_id", how="left"
    )
    wrong = joined.filter(
        pl.col("spy").is_null()
        | (IS_SPY & (pl.col("player") != pl.col("spy")))
        | ~pl.col("vote").is_between(1, pl.col("players"))
    )
    if len(wrong):
        key = {name: wrong[name][0] for name in tables.KEY}
        raise InputError(f"{folder}: the row {key} does not fit games.parquet (seat, role or game); play it again")
    return rows.sort(tables.KEY), games


def _seats(votes: pl.DataFrame, judged: pl.DataFrame, rows: pl.DataFrame, recipe: Score) -> pl.DataFrame:
    """Each seat of each game with its role, its clues and its votes, as they were cast or as `votes_worth` weighs."""
    if recipe.votes_worth is not None:
        votes = votes.join(judged.select("game_id", "cast_votes"), on="game_id", maintain_order="left").select(
            "game_id", "spy", "seat", votes=pl.col("votes") * (recipe.votes_worth / pl.col("cast_votes"))
        )
    role = pl.when(pl.col("seat") == pl.col("spy")).then(pl.lit("spy")).otherwise(pl.lit("civilian"))
    clues = rows.filter(IS_CLUE).group_by("game_id", seat="player", maintain_order=True).agg(clues="clue")
    seats = votes.with_columns(role=role, players=pl.len().over("game_id"))
    return seats.join(clues, on=["game_id", "seat"], how="left", maintain_order="left")


def score_clues(
    rows: pl.DataFrame, seats: pl.DataFrame, rewards: Rewards, before: Baselines, moves: bool
) -> tuple[pl.DataFrame, Baselines]:
    """The scored clues, and the baselines after. Every clue of a player has that player's advantage."""
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
        advantage=scaled_by_role(reward - pl.col("baseline"), rewards.settings), correct=pl.lit(None, dtype=pl.Boolean)
    )
    return _finished(scored), after


def score_votes(rows: pl.DataFrame, votes: pl.DataFrame, rewards: Rewards) -> pl.DataFrame:
    """The scored votes, with eq. 5 over the votes of each game."""
    games = votes.group_by("game_id").agg(pl.col("spy").first(), players=pl.len())
    cast = rows.filter(IS_VOTE).drop("clue").join(games, on="game_id", how="left", maintain_order="left")
    cast = cast.with_columns(correct=(pl.col("vote") == pl.col("spy")).fill_null(False))
    scored = rewards.for_votes(cast).with_columns(
        baseline=pl.col("reward").mean().over("game_id"),
        advantage=group_advantage(pl.col("reward"), "game_id", rewards.settings),
        votes_received=pl.lit(None, dtype=pl.Float64),
    )
    return _finished(scored)


def _finished(scored: pl.DataFrame) -> pl.DataFrame:
    """The columns of SCORED, and `policy`."""
    scored = scored.with_columns(group_id="game_id", truncated=pl.col("finish_reason") == "length")
    return scored.select([*tables.SCORED, "policy"])


def shuffled(scored: pl.DataFrame, seed: int) -> pl.DataFrame:
    """`scored` with the advantages of each phase shuffled among its rows, which depends on the seed alone.

    The current policy's rows and those of others are shuffled apart, so that what trains keeps its mean and spread.
    """
    generator, parts = rng(seed, "shuffle", scored["game_id"].first()), []
    for _, part in scored.group_by("phase", IS_CURRENT.alias("is_current"), maintain_order=True):
        order = list(range(len(part)))
        generator.shuffle(order)
        parts.append(part.with_columns(advantage=part["advantage"].gather(order)))
    return pl.concat(parts).sort(tables.KEY)


def _counts(scored: pl.DataFrame, judged: pl.DataFrame) -> dict[str, Any]:
    """Numbers of all games and rows. Accuracies, N/A and rewards are the current policy's, which they judge."""
    clues, decision = scored.filter(IS_CLUE), scored.filter(IS_VOTE)
    votes = _current(decision)
    voted = judged.join(votes, on="game_id", how="semi")
    reward = {role: _current(clues.filter(pl.col("role") == role))["reward"].mean() for role in ("spy", "civilian")}
    return {
        "games": len(judged),
        "rows": len(scored),
        "clues": len(clues),
        "votes": len(decision),
        "acc": voted["acc"].mean(),
        "na": int(voted["na_votes"].sum()) / max(1, int(voted["cast_votes"].sum())),
        "vote_accuracy": votes["correct"].mean(),
        "unreadable_votes": int(judged["unreadable_votes"].sum()),
        "reward_spy": reward["spy"],
        "reward_civilian": reward["civilian"],
        "reward_decision": votes["reward"].mean(),
    }


def _current(rows: pl.DataFrame) -> pl.DataFrame:
    """The current policy's rows. For a role that it never plays (`rollout.seats`), all rows."""
    own = rows.filter(IS_CURRENT)
    return rows if own.is_empty() else own
