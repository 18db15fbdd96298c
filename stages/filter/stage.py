"""From scored rows to kept and rejected ones, which together are exactly the scored ones."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.game.readers import UNREADABLE_CLUE
from stages.core.game.rules import ActivePhase
from stages.core.recipe import Recipe
from stages.core.recipe.scoring import Filter
from stages.core.seeds import rng

INACTIVE = "inactive phase"


def run(
    recipe: Recipe,
    scored: Path,
    out: Path,
    *,
    phase: ActivePhase = "both",
    rollouts: Path | None = None,
    overwrite: bool = False,
) -> Report:
    """Keep the rows that train in a round of `phase`. `rollouts` is where the rollouts are, if they were moved."""

    def make(work: Path) -> Outcome:
        artifact.manifest_of(scored, "score")
        rows = tables.read(scored / "scored.parquet", tables.SCORED)
        played = _as_played(rollouts or artifact.input_of(scored, "rollouts", "--rollouts"))
        judged = rows.join(played, on=tables.KEY, how="left", validate="1:1", maintain_order="left")
        judged = judged.with_columns(reason=reason_to_reject(recipe.filter, phase))
        if recipe.filter.inactive_phase == "anchor":
            judged = with_anchors(judged, recipe.filter.anchor_rows)
        kept = judged.filter(pl.col("reason").is_null()).select(list(tables.KEPT))
        rejected = judged.filter(pl.col("reason").is_not_null()).select(list(tables.REJECTED))
        tables.write(kept, work / "kept.parquet", tables.KEPT)
        tables.write(rejected, work / "rejected.parquet", tables.REJECTED)
        return Outcome(
            {
                "rows": len(rows),
                "kept": len(kept),
                "rejected": len(rejected),
                "reasons": dict(rejected.group_by("reason").len().sort("reason").iter_rows()),
                "kept_clues": len(kept.filter(pl.col("phase") == "clue")),
                "kept_votes": len(kept.filter(pl.col("phase") == "decision")),
            }
        )

    settings = {**recipe.settings("filter"), "phase": phase}
    inputs = {"scored": scored}
    return artifact.produce(out, stage="filter", settings=settings, inputs=inputs, make=make, overwrite=overwrite)


def reason_to_reject(recipe: Filter, phase: str) -> pl.Expr:
    """The first reason that applies to a row; null for a row that is kept.

    What another policy than the current one said never trains: its log-probs are not this policy's.
    """
    spread = pl.col("reward").max().over("group_id", "phase") - pl.col("reward").min().over("group_id", "phase")
    without_variance = (pl.col("phase") == "decision") & (spread == 0)
    rules = [
        (True, pl.col("policy") != "current", "another policy"),
        (recipe.inactive_phase != "train" and phase != "both", pl.col("phase") != phase, INACTIVE),
        (recipe.no_variance == "drop", without_variance, tables.NO_VARIANCE),
        (recipe.no_variance == "renormalise", without_variance, "group without variance not counted"),
        (recipe.truncated, pl.col("truncated"), "truncated"),
        (recipe.unreadable, pl.col("is_unreadable"), "unreadable"),
        (recipe.min_abs_advantage > 0, pl.col("advantage").abs() < recipe.min_abs_advantage, tables.SMALL_ADVANTAGE),
    ]
    return pl.coalesce(
        *(pl.when(applies).then(pl.lit(why)) for on, applies, why in rules if on), pl.lit(None, dtype=pl.String)
    )


def with_anchors(judged: pl.DataFrame, count: int) -> pl.DataFrame:
    """`judged` with `count` rows of the inactive phase kept in each game after all, drawn by the game's id.

    Where no row trains there is nothing to hold on to, and none is kept.
    """
    if judged["reason"].null_count() == 0:
        return judged
    inactive = judged.with_row_index("row").filter(pl.col("reason") == INACTIVE)
    games = inactive.group_by("game_id", maintain_order=True).agg("row")
    drawn = (rng("anchor", game).sample(rows, min(count, len(rows))) for game, rows in games.iter_rows())
    anchors = [row for rows in drawn for row in rows]
    is_anchor = pl.int_range(pl.len()).is_in(anchors)
    return judged.with_columns(reason=pl.when(~is_anchor).then("reason"))


def _as_played(rollouts: Path) -> pl.DataFrame:
    """For each row, who said it and whether its clue or vote could not be read."""
    rows = tables.read_parts(rollouts, tables.ROLLOUTS, [*tables.KEY, "policy", "clue", "vote_kind"])
    unreadable = (pl.col("clue") == UNREADABLE_CLUE) | (pl.col("vote_kind") == "unreadable")
    return rows.select(*tables.KEY, "policy", is_unreadable=unreadable.fill_null(False))
