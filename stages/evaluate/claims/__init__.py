"""Decides whether a clue about a CLEVR scene, in natural English, is true of it, false, or cannot be told.

Every reading of the words is weighed; only where all agree, and no word is unknown, is there a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.evaluate.claims.grammar.claims import Claims
from stages.evaluate.claims.grammar.reader import TooHard
from stages.evaluate.claims.lexicon.tokens import tokens, unread
from stages.evaluate.claims.meaning.logic import Nonsense, Truth, Unclear, View, world
from stages.evaluate.claims.meaning.statements import Text, fault, weigh

__all__ = ["Verdict", "judge"]

LONGEST = 400  # characters; a clue is a sentence or two


@dataclass(frozen=True)
class Verdict:
    """`truth` None: cannot tell. `why` in a few words."""

    truth: bool | None
    why: str


def judge(sentence: str, scene: Mapping[str, Any]) -> Verdict:
    """Whether `sentence` is true of `scene`, the JSON that `scene_json.to_json` writes. Any text is allowed.

    `KeyError` or `TypeError` where the scene is not such JSON.
    """
    if len(sentence) > LONGEST:
        return Verdict(None, f"longer than {LONGEST} characters")
    words = tokens(sentence)
    strange = unread(words)
    if strange or not words:
        return Verdict(None, f"unread: {', '.join(strange[:5])}" if strange else "says nothing")
    try:
        readings = Claims(words).readings()
    except TooHard:
        return Verdict(None, "can be read in too many ways")
    if not readings:
        return Verdict(None, "the words are known, but not how they stand together")
    return _weighed(readings, View(world(scene)))


def _weighed(readings: list[Text], view: View) -> Verdict:
    """What all readings agree on; one in which "it" means nothing does not count."""
    found: dict[Truth, Text] = {}
    why = ""
    for reading in readings:
        try:
            found.setdefault(weigh(reading, view), reading)
        except Nonsense as reason:
            why = str(reason)
        except Unclear as reason:
            return Verdict(None, str(reason))
        if None in found or len(found) > 1:
            return Verdict(None, "vague" if None in found else "true in one reading, false in another")
    if not found:
        return Verdict(None, why)
    return Verdict(True, "so it is") if True in found else Verdict(False, f"not so: {fault(found[False], view)}")
