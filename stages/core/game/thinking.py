"""Private thought: what a thinking model writes between `<think>` and `</think>` is no part of its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stages.core.recipe.model import Model

Tags = tuple[str, str]  # what opens a thought, and what closes it
Thought = Literal["closed", "open"]

# Of published models: most; Kimi; Seed; MiniMax; Magistral; Gemma 4; Command A.
USUAL_TAGS: tuple[Tags, ...] = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<mm:think>", "</mm:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|channel>thought", "<channel|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
)


def thinking_tags(model: Model) -> Sequence[Tags]:
    """The tags that the recipe names, or the usual ones."""
    return USUAL_TAGS if model.thinking_tags is None else (model.thinking_tags,)


@dataclass(frozen=True)
class Answer:
    """A completion in its two parts."""

    thought: str  # private, without its tags
    said: str
    state: Thought | None  # of the last thought: `open` when the completion ends inside it; None without any


def read_answer(text: str, tags: Sequence[Tags]) -> Answer:
    """Divide a completion into thought and answer, in one pass.

    A closing tag that nothing opened ends a thought that the prompt opened, so all that stands before it is thought.
    """
    said: list[str] = []
    thoughts: list[str] = []
    start, closing = 0, ""
    partner = dict(tags)
    for mark in _pattern(tags).finditer(text):
        tag, piece = mark.group(), text[start : mark.start()]
        if closing and tag != closing:
            continue
        if tag in partner:
            said.append(piece)
            closing = partner[tag]
        else:
            thoughts += [piece] if closing else [*said, piece]
            said, closing = said if closing else [], ""
        start = mark.end()
    (thoughts if closing else said).append(text[start:])
    state: Thought | None = "open" if closing else "closed" if thoughts else None
    return Answer(_joined(thoughts), _joined(said), state)


def _pattern(tags: Sequence[Tags]) -> re.Pattern[str]:
    longest_first = sorted({tag for pair in tags for tag in pair}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


def _joined(pieces: Sequence[str]) -> str:
    return "\n".join(piece.strip() for piece in pieces if piece.strip())
