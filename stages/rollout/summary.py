"""Counts and warnings about finished games."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.folder.artifact import Outcome
from stages.core.game.readers import UNREADABLE_CLUE

_COLUMNS = [
    "game_id", "turn", "phase", "policy", "prompt_tokens", "completion_ids", "completion_logprobs", "finish_reason",
    "thought", "clue", "vote_kind",
]  # fmt: skip
_IS_CLUE = pl.col("phase") == "clue"
CUT = pl.col("finish_reason") == "length"
THINKING = pl.col("thought").eq_missing("open")  # the completion ends inside its thought
_UNREADABLE = pl.col("clue") == UNREADABLE_CLUE
# Warn above these shares. The tiny model repeats 0.38–0.44 of its clues.
MOST_TRUNCATED, MOST_UNREADABLE, MOST_REPEATED = 0.1, 0.1, 0.5
THINK_LESS = (
    "raise rollout.max_thinking_tokens, or make the model think less with an option of its chat template, such as "
    "model.chat_template_options={enable_thinking: false}"
)


def summarise(folder: Path) -> Outcome:
    """Counts of rows, tokens and faults, and a warning for each kind of fault whose share is above its limit.

    `clue_entropy` and `vote_entropy` are the mean of −log p over all tokens that the policy `current` sampled, at the
    sampling temperature, in nats; null without log-probs.
    """
    parts = [_count(tables.read(part, tables.ROLLOUTS, _COLUMNS)) for part in tables.parts_of(folder)]
    sums: dict[str, Any] = pl.concat(parts).sum().row(0, named=True)
    figures = {name: value for name, value in sums.items() if not name.startswith("_")}
    for phase in ("clue", "vote"):
        tokens, surprise = sums[f"_{phase}_tokens"], sums[f"_{phase}_surprise"]
        figures[f"{phase}_entropy"] = round(surprise / tokens, 6) if tokens else None
    return Outcome(figures, _warnings(figures))


def _count(rows: pl.DataFrame) -> pl.DataFrame:
    """One row of sums over `rows`, which contain whole games."""
    said = pl.col("clue").str.to_lowercase().str.replace_all(r"[^\p{Alphabetic}\p{N}]+", " ").str.strip_chars()
    heard = rows.filter(_IS_CLUE, ~_UNREADABLE).sort("game_id", "turn").select("game_id", said)
    logprobs, current = pl.col("completion_logprobs"), pl.col("policy") == "current"
    return rows.select(
        games=pl.col("game_id").n_unique(),
        rows=pl.len(),
        clues=_IS_CLUE.sum(),
        votes=(~_IS_CLUE).sum(),
        prompt_tokens=pl.col("prompt_tokens").cast(pl.Int64).sum(),
        completion_tokens=pl.col("completion_ids").list.len().cast(pl.Int64).sum(),
        truncated=CUT.sum(),
        truncated_thoughts=(CUT & THINKING).sum(),
        unreadable_clues=_UNREADABLE.sum(),
        repeated_clues=len(heard) - heard.n_unique(),
        na_votes=(pl.col("vote_kind") == "na").sum(),
        unreadable_votes=(pl.col("vote_kind") == "unreadable").sum(),
        **{
            f"_{phase}_{name}": figure.filter(own & current).sum()
            for phase, own in (("clue", _IS_CLUE), ("vote", ~_IS_CLUE))
            for name, figure in (
                ("tokens", logprobs.list.len().cast(pl.Int64)),
                ("surprise", -logprobs.list.sum().cast(pl.Float64)),
            )
        },
    )


def _warnings(figures: dict[str, Any]) -> list[str]:
    rows, clues, votes, unread = (figures[name] for name in ("rows", "clues", "votes", "unreadable_clues"))
    thoughts = figures["truncated_thoughts"]
    look = "look at some with vz inspect <folder> --game 1; the prompts, chat template and model may not fit together"
    faults = [
        ("answers truncated after any thought", figures["truncated"] - thoughts, rows, MOST_TRUNCATED,
         "raise rollout.max_clue_tokens or rollout.max_vote_tokens"),
        ("answers truncated inside their thought", thoughts, rows, MOST_TRUNCATED, THINK_LESS),
        ("unreadable clues", unread, clues, MOST_UNREADABLE, look),
        ("unreadable votes", figures["unreadable_votes"], votes, MOST_UNREADABLE, look),
        ("readable clues that repeat an earlier one of their game", figures["repeated_clues"], clues - unread,
         MOST_REPEATED, "raise rollout.temperature or train.kl, or use pictures with more to describe"),
    ]  # fmt: skip
    return [
        f"{count} of {total} {what} ({count / total:.0%}, above {limit:.0%}): {remedy}"
        for what, count, total, limit, remedy in faults
        if total and count / total > limit
    ]
