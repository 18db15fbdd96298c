r"""The released code's rewards: clues as in the paper, votes with a bonus and a reward for the right format.

The code judges the format separately from the vote. It accepts anything in the first `\boxed{…}`, whereas the game's
readers read the vote itself.
"""

from __future__ import annotations

import re

import polars as pl

from stages.core.recipe.scoring import Score
from stages.score import rewards
from stages.score.rewards import clue_rewards

__all__ = ["clue_rewards", "is_well_formed", "vote_rewards"]

VOTE_WEIGHT, FORMAT_WEIGHT, RIGHT_BONUS = 1.2, 0.3, 0.99
REASONING_CHARS = 10

_BOX = re.compile(r"\\\\?boxed\{")
_THOUGHT, _END_OF_THOUGHT = "<think>", "</think>"


def vote_rewards(votes: pl.DataFrame, settings: Score) -> pl.DataFrame:
    """1.2 × eq. 4 + 0.3 × format + 0.99 if right; the format is +1 for a well-formed answer, else −1."""
    well_formed = pl.Series([is_well_formed(text) for text in votes["completion"]], dtype=pl.Boolean)
    return rewards.vote_rewards(votes, settings).with_columns(
        format=pl.when(well_formed).then(1.0).otherwise(-1.0),
    ).with_columns(
        reward=VOTE_WEIGHT * pl.col("accuracy")
        + FORMAT_WEIGHT * pl.col("format")
        + pl.when("correct").then(RIGHT_BONUS).otherwise(0.0)
    )  # fmt: skip


def is_well_formed(completion: str) -> bool:
    """Whether the first box is not empty and the reasoning is longer than 10 characters.

    The reasoning is the text in `<think>…</think>`; without these tags, the text before the box; if that is empty, the
    lines without a box.
    """
    opened = _BOX.search(completion)
    closed = completion.find("}", opened.end()) if opened else -1
    if not opened or closed < 0 or not completion[opened.end() : closed].strip():
        return False
    reasoning = _thought(completion)
    if reasoning is None:
        reasoning = completion[: opened.start()].strip()
        if not reasoning:
            reasoning = "\n".join(line.strip() for line in completion.split("\n") if not _BOX.search(line)).strip()
    return len(reasoning) > REASONING_CHARS


def _thought(completion: str) -> str | None:
    _, opened, rest = completion.partition(_THOUGHT)
    thought, closed, _ = rest.partition(_END_OF_THOUGHT)
    return thought.strip() if opened and closed else None
