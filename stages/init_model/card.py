"""Model cards: Markdown with the front matter that model hubs read. Every figure comes from the counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from stages.init_model.measure import Quality

_FRONT = """---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
"""


def tiny_card(counts: Mapping[str, Any], *, seed: int, players: int, clue_rounds: int) -> str:
    return f"""{_FRONT}# tiny-model

A vision–language model of {counts["parameters"]:,} weights (LLaVA: SigLIP vision, Llama text, a word-level
vocabulary of its own) that plays "Who is the spy?" on 72×72 scenes with the prompt set `compact`. Made from nothing by

    vz init-model --recipe tiny --seed {seed} --out tiny-model

It was taught for a few minutes to name what it sees and to give clues and votes, and was stopped on purpose before it
votes well, so that self-play has something to do. It is a test piece: it knows eight colours, three shapes and the
words of the game.

{_measured(counts, players, clue_rounds)}
"""


def english_card(counts: Mapping[str, Any], *, seed: int, players: int, clue_rounds: int, random_votes: float) -> str:
    return f"""{_FRONT}# Eyes for {counts["language_model"]}

A vision tower, a connector and a LoRA adapter ({counts["trained_weights"]:,} weights in all), with which the
language model {counts["language_model"]} sees 96×96 scenes of a 3 × 3 grid and plays "Who is the spy?" in English
with the prompt set `short`. Made by

    vz init-model --recipe smollm2 --seed {seed} --set init_model.trained=null --language-model … --out …

The lessons come in three parts: eyes, sentences about pictures, and the game. On purpose,
{random_votes:.0%} of the votes to learn from were random, so that self-play has something to improve.
The model knows eight colors, three shapes and two materials.

{_measured(counts, players, clue_rounds)}
| captions that name every object with color, material and shape | {counts["captions_right"]:.3f} |
| everyday questions about color, shape and material answered right | {counts["attributes_right"]:.3f} |

Perplexity on English paragraphs of our own: {counts["perplexity"]:.2f}; of the untouched language model
{counts["perplexity_untouched"]:.2f}.
"""


def _measured(counts: Mapping[str, Any], players: int, clue_rounds: int) -> str:
    """How the model was measured, and the figures common to all models."""
    meanings = [(each.name, each.metadata["meaning"]) for each in fields(Quality) if each.metadata]
    rows = "\n".join(f"| {meaning} | {counts[name]:.3f} |" for name, meaning in meanings)
    games = f"{counts['games']} games of {players} players and {clue_rounds} clue round(s)"
    return f"""Measured on {games}, pictures not learned from,
temperature 1, chance {1 / players:.2f}:

| | share |
|---|---|
{rows}"""
