"""What came out of the games, in counts and warnings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.artifact import Outcome
from stages.core.game.readers import UNREADABLE_CLUE
from stages.core.recipe.rollout import Rollout

_COLUMNS = ["game_id", "phase", "prompt_tokens", "completion_ids", "finish_reason", "clue", "vote_kind"]


def summarise(folder: Path, recipe: Rollout) -> Outcome:
    """Counts of rows, tokens and faults; a warning where a share of faults is above the recipe's limit."""
    rows = tables.read_parts(folder, tables.ROLLOUTS, _COLUMNS)
    is_clue = pl.col("phase") == "clue"
    figures: dict[str, Any] = rows.select(
        games=pl.col("game_id").n_unique(),
        rows=pl.len(),
        clues=is_clue.sum(),
        votes=(~is_clue).sum(),
        prompt_tokens=pl.col("prompt_tokens").sum(),
        completion_tokens=pl.col("completion_ids").list.len().sum(),
        truncated=(pl.col("finish_reason") == "length").sum(),
        unreadable_clues=(pl.col("clue") == UNREADABLE_CLUE).sum(),
        na_votes=(pl.col("vote_kind") == "na").sum(),
        unreadable_votes=(pl.col("vote_kind") == "unreadable").sum(),
    ).row(0, named=True)
    return Outcome(figures, _warnings(figures, recipe))


def _warnings(figures: dict[str, Any], recipe: Rollout) -> list[str]:
    shares = [
        ("truncated answers", figures["truncated"], figures["rows"], recipe.truncated_warning, "raise max_*_tokens"),
        ("unreadable clues", figures["unreadable_clues"], figures["clues"], recipe.unreadable_warning, "see inspect"),
        ("unreadable votes", figures["unreadable_votes"], figures["votes"], recipe.unreadable_warning, "see inspect"),
    ]
    return [
        f"{count} of {total} {what} ({count / total:.0%}): {remedy}"
        for what, count, total, limit, remedy in shares
        if total and count / total > limit
    ]
