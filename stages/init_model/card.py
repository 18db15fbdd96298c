"""The model card of the tiny model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEANING = {
    "vote_accuracy": "sampled votes that name the spy",
    "vote_accuracy_greedy": "the likeliest vote names the spy",
    "vote_na": "sampled votes that abstain (N/A)",
    "vote_readable": "sampled votes that can be read",
    "clue_readable": "clues that can be read",
    "clue_true_civilian": "civilians' clues that are true of their picture",
    "clue_true_spy": "the spy's clues that are true of its picture",
    "clue_new": "clues not said before in the game",
    "spy_exposed": "games in which the spy says something untrue of the civilians' picture",
    "answers_right": "questions about a picture (exist, count, query, compare) answered right",
}


def card(counts: Mapping[str, Any], *, seed: int, players: int, clue_rounds: int) -> str:
    """Markdown with the front matter that model hubs read; every figure comes from `counts`."""
    rows = "\n".join(f"| {meaning} | {counts[name]:.3f} |" for name, meaning in _MEANING.items())
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
# tiny-model

A vision–language model of {counts["parameters"]:,} weights (LLaVA: SigLIP vision, Llama text, a word-level
vocabulary of its own) that plays "Who is the spy?" on 72×72 scenes with the prompt set `compact`. Made from nothing by

    vz init-model --recipe tiny --seed {seed} --out tiny-model

It was taught for a few minutes to name what it sees and to give clues and votes, and was stopped on purpose before it
votes well, so that self-play has something to do. It is a test piece: it knows eight colours, three shapes and the
words of the game.

Measured on {counts["games"]} games of {players} players and {clue_rounds} clue round(s), pictures not learned from,
temperature 1, chance {1 / players:.2f}:

| | share |
|---|---|
{rows}
"""
