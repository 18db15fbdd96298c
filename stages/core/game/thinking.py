"""Private thought: text that a thinking model writes between `<think>` and `</think>` is not part of its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from stages.core.recipe.model import Model

Tags = tuple[str, str]  # the tags that open and close a thought

# The tags of published models: most of them; Kimi; Seed; MiniMax; Magistral; Gemma 4; Command A.
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
    """The two parts of a completion."""

    thought: str  # private, without its tags
    said: str
    state: Literal["closed", "open"] | None  # of the last thought; `open` if the completion ends inside it


def read_answer(text: str, tags: Sequence[Tags]) -> Answer:
    """Split a completion into thought and answer, in one pass.

    A closing tag without an opening one ends a thought that the prompt opened: all text before it is thought.
    """
    said: list[str] = []
    thoughts: list[str] = []
    start, awaited = 0, ""  # the end of the last tag, and the tag that closes the open thought
    closing = dict(tags)
    for match in _any_of(tuple(tags)).finditer(text):
        tag, piece = match.group(), text[start : match.start()]
        if awaited and tag != awaited:
            continue
        if tag in closing:
            said.append(piece)
            awaited = closing[tag]
        else:
            thoughts += [piece] if awaited else [*said, piece]
            said, awaited = said if awaited else [], ""
        start = match.end()
    (thoughts if awaited else said).append(text[start:])
    return Answer(_joined(thoughts), _joined(said), "open" if awaited else "closed" if thoughts else None)


@cache
def _any_of(tags: tuple[Tags, ...]) -> re.Pattern[str]:
    longest_first = sorted({tag for pair in tags for tag in pair}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


def _joined(pieces: Sequence[str]) -> str:
    return "\n".join(piece.strip() for piece in pieces if piece.strip())
