"""Splits scored rows into kept and rejected ones, without losing any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.game.readers import UNREADABLE_CLUE
from stages.core.game.rules import ActivePhase
from stages.core.large_tables import Parts, Pieces, scan, whole_games
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.recipe.scoring import Filter
from stages.core.seeds import rng

INACTIVE = "inactive phase"
ROWS_AT_ONCE = 300_000
IS_KEPT = pl.col("reason").is_null()


def run(
    recipe: Recipe,
    scored: Path,
    out: Path,
    *,
    phase: ActivePhase = "both",
    rollouts: Path | None = None,
    overwrite: bool = False,
) -> Report:
    """Keep the rows that train in a round of `phase`. `rollouts` is the folder of the rollouts, if it was moved."""

    def make(work: Path) -> Outcome:
        artifact.manifest_of(scored, "score")
        place = rollouts or artifact.input_of(scored, "rollouts", "--rollouts")
        played = Parts(place, tables.ROLLOUTS, [*tables.KEY, "policy", "clue", "vote_kind"])

        def judged() -> Iterator[pl.DataFrame]:
            for rows in whole_games(scored / "scored.parquet", tables.SCORED, ROWS_AT_ONCE):
                yield judge(rows, played, recipe.filter, phase)

        anchors = _anchors(recipe.filter, judged())
        kept, rejected = tables.KEPT, tables.REJECTED
        rows = scan(scored / "scored.parquet", tables.SCORED, ["game_id"]).select(pl.len()).collect().item()
        bar = progress_bar("filtering rows", rows)
        of_kept: Counter[str] = Counter()  # by phase
        of_rejected: Counter[str] = Counter()  # by reason
        trains, rest = Pieces(work / "kept.parquet", kept), Pieces(work / "rejected.parquet", rejected)
        with trains, rest, bar as progress:
            for rows in judged():
                rows = with_anchors(rows, anchors)
                trains.add(rows.filter(IS_KEPT).select(list(kept)))
                rest.add(rows.filter(~IS_KEPT).select(list(rejected)))
                of_kept.update(dict(rows.filter(IS_KEPT).group_by("phase").len().iter_rows()))
                of_rejected.update(dict(rows.filter(~IS_KEPT).group_by("reason").len().iter_rows()))
                progress.advance(len(rows))
        return Outcome(
            {
                "rows": of_kept.total() + of_rejected.total(),
                "kept": of_kept.total(),
                "rejected": of_rejected.total(),
                "reasons": dict(sorted(of_rejected.items())),
                "kept_clues": of_kept["clue"],
                "kept_votes": of_kept["decision"],
            }
        )

    settings = {**recipe.settings("filter"), "phase": phase}
    inputs = {"scored": scored}
    return artifact.produce(out, stage="filter", settings=settings, inputs=inputs, make=make, overwrite=overwrite)


def judge(rows: pl.DataFrame, played: Parts, recipe: Filter, phase: str) -> pl.DataFrame:
    """The scored rows of some games, with the columns `policy`, `is_unreadable` and `reason`."""
    unreadable = (pl.col("clue") == UNREADABLE_CLUE) | (pl.col("vote_kind") == "unreadable")
    said = played.of_games(rows["game_id"]).select(*tables.KEY, "policy", is_unreadable=unreadable.fill_null(False))
    if said.select(tables.KEY).equals(rows.select(tables.KEY)):  # the order in which vz writes them; a join is slower
        joined = rows.hstack(said.drop(tables.KEY))
    else:
        joined = rows.join(said, on=tables.KEY, how="left", validate="1:1", maintain_order="left")
    return joined.with_columns(reason=reason_to_reject(recipe, phase))


def reason_to_reject(recipe: Filter, phase: str) -> pl.Expr:
    """The first reason that applies to a row; null for a kept row.

    Rows of a policy other than the current one never train: their log-probs are not this policy's.
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


def _anchors(recipe: Filter, judged: Iterator[pl.DataFrame]) -> int:
    """How many rows of the inactive phase each game keeps: none if no row trains."""
    if recipe.inactive_phase != "anchor":
        return 0
    return recipe.anchor_rows if any(rows["reason"].null_count() for rows in judged) else 0


def with_anchors(judged: pl.DataFrame, count: int) -> pl.DataFrame:
    """`judged`, but keeping `count` random rows of the inactive phase in each game, seeded by the game's id."""
    if not count:
        return judged
    inactive = judged.with_row_index("row").filter(pl.col("reason") == INACTIVE)
    games = inactive.group_by("game_id", maintain_order=True).agg("row")
    drawn = (rng("anchor", game).sample(rows, min(count, len(rows))) for game, rows in games.iter_rows())
    anchors = [row for rows in drawn for row in rows]
    is_anchor = pl.int_range(pl.len()).is_in(anchors)
    return judged.with_columns(reason=pl.when(~is_anchor).then("reason"))
