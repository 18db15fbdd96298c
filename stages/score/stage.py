"""Turns rollouts into scored rows. Holds a few thousand games in memory at a time, and a few numbers per row."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from stages.core import tables
from stages.core.errors import InputError, first_line
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.folder.manifest import settings_of
from stages.core.game.rules import ActivePhase
from stages.core.large_tables import GAMES_AT_ONCE, Parts, Pieces, blocks_of
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.recipe.game import Game
from stages.core.seeds import rng
from stages.score.advantages import IS_CURRENT, read_baselines, scaled_by_role
from stages.score.games import COLUMNS, IS_CLUE, IS_VOTE, score_games
from stages.score.interface import Rewards


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

    `phase` is what trains in this round: role baselines move only in clue rounds, unless the recipe says both.
    `baselines` is the `baselines.json` of the previous round; without it, baselines start at zero.
    """
    played = settings_of(rollouts, "game", "rollout")
    try:
        rules = Game.model_validate(played)  # the rules at play time, whatever the recipe says now
    except ValidationError as error:
        where = rollouts / artifact.MANIFEST
        raise InputError(f"{where}: settings.game: {first_line(error)}; play the games again") from error
    rewards = Rewards.of(recipe.score)
    moves = phase != "decision" or recipe.score.baseline_phases == "both"

    def make(work: Path) -> Outcome:
        games = tables.read(rollouts / "games.parquet", tables.GAMES).sort("game_id")
        parts = Parts(rollouts, tables.ROLLOUTS, [*COLUMNS, *rewards.reads])
        after, of_rows, of_games = read_baselines(baselines), [], []
        bar = progress_bar("scoring games", len(games))
        with Pieces(work / "scored.parquet", tables.SCORED) as pieces, bar as progress:
            for block, first, end in blocks_of(games, _whole_steps(recipe.score.baseline_games)):
                found = score_games(parts.between(first, end), block, rules, rewards, after, moves, rollouts)
                after = found.baselines
                pieces.add(found.rows.select(list(tables.SCORED)))
                of_rows.append(_in_brief(found.rows))
                of_games.append(found.games)
                progress.advance(len(block))
            scored, judged = pl.concat(of_rows, rechunk=True), pl.concat(of_games)
            if recipe.score.clue_scale != "none" or recipe.score.shuffle:
                scored = with_final_advantages(scored, recipe, games["game_id"][0])
                pieces.replace("advantage", scored["advantage"])
        tables.write(judged.select(list(tables.SCORED_GAMES)), work / "games.parquet", tables.SCORED_GAMES)
        write_json(work / "baselines.json", asdict(after))
        return Outcome({**_counts(scored, judged), "baselines": asdict(after)})

    inputs = {"rollouts": rollouts} | ({"baselines": baselines} if baselines else {})
    settings = {**recipe.settings("score"), "game": played, "phase": phase}  # with the seed, which `shuffled` needs
    return artifact.produce(out, stage="score", settings=settings, inputs=inputs, make=make, overwrite=overwrite)


def _whole_steps(games: int) -> int:
    """How many games to score at once, so that games whose mean moves a baseline together stay together."""
    return -(-GAMES_AT_ONCE // games) * games


def _in_brief(rows: pl.DataFrame) -> pl.DataFrame:
    """What the advantages and counts of all rows need, in about 30 bytes per row."""
    return rows.select(pl.col("phase", "role", "policy").cast(pl.Categorical), "reward", "advantage", "correct")


def with_final_advantages(rows: pl.DataFrame, recipe: Recipe, first_game: str) -> pl.DataFrame:
    """All rows, in brief, with the advantages that depend on all rows."""
    scaled = pl.when(IS_CLUE).then(scaled_by_role(pl.col("advantage"), recipe.score)).otherwise("advantage")
    rows = rows.with_columns(advantage=scaled)
    return shuffled(rows, recipe.seed, first_game) if recipe.score.shuffle else rows


def shuffled(rows: pl.DataFrame, seed: int, first_game: str) -> pl.DataFrame:
    """The rows with the advantages of each phase shuffled among its rows. The order depends only on the seed.

    The current policy's rows and those of others are shuffled separately, so that the training rows keep their mean and
    spread.
    """
    generator, parts = rng(seed, "shuffle", first_game), []
    rows = rows.with_row_index("place")
    for _, part in rows.group_by("phase", IS_CURRENT.alias("is_current"), maintain_order=True):
        order = list(range(len(part)))
        generator.shuffle(order)
        parts.append(part.with_columns(advantage=part["advantage"].gather(order)))
    return pl.concat(parts).sort("place").drop("place")


def _counts(scored: pl.DataFrame, judged: pl.DataFrame) -> dict[str, Any]:
    """Figures over all games and rows. Accuracies, N/A and rewards are the current policy's, since they judge it."""
    clues, decision = scored.filter(IS_CLUE), scored.filter(IS_VOTE)
    votes = _current(decision)
    voted = judged.filter("is_current")
    voted = judged if voted.is_empty() else voted
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
