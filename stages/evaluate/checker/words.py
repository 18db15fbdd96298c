"""Splits a clue into the words of the grammar. Synonyms share a terminal; phrases that claim nothing are dropped."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from lark import Token
from lark.lexer import Lexer

from stages.core.clevr.vocabulary import COLORS

# The words for each terminal of the grammar. Every other word in the grammar stands for itself.
_NOUNS = {
    "CUBE": "cube cubes block blocks box boxes",
    "SPHERE": "sphere spheres ball balls orb orbs",
    "CYLINDER": "cylinder cylinders tube tubes",
    "THING": "thing things object objects item items piece pieces",
}
_ADJECTIVES = {
    "LARGE": "large big",
    "SMALL": "small little tiny",
    "METAL": "metal metallic shiny reflective glossy polished",
    "RUBBER": "rubber matte matt dull",
    "ROUND": "round",
    **{color.upper(): color for color in COLORS},
    "GRAY": "gray grey",
    "PURPLE": "purple violet",
    "CYAN": "cyan teal turquoise",
}
_WORDS = {
    **_NOUNS,
    **_ADJECTIVES,
    **{word.upper(): word for word in ("left", "right", "behind")},
    "FRONT": "front foreground",
    "BACK": "back background",
    "EXTREME": "leftmost rightmost frontmost hindmost smallest largest",
    "NUMBER": "zero one two three four five six seven eight nine ten",
    "COLOR": "color colors colour colours",
    "SIZE": "size sizes",
    "SHAPE": "shape shapes",
    "MATERIAL": "material materials",
    "COMMA": ",",
    "_PERSON": "i you we",
    "_SEE": "see find notice spot count",
    "_SHOW": "contains contain shows show includes include features feature",
    "_STAND": "stands stand standing sits sit sitting placed positioned located lies",
    "_SURFACE": "surface finish texture",
    "_WHILE": "but while plus though although",
}
_TERMINAL = {word: name for name, words in _WORDS.items() for word in words.split()}
NUMBERS = {word: number for number, word in enumerate(_WORDS["NUMBER"].split())}
_DESCRIBING = "|".join(" ".join([*_NOUNS.values(), *_ADJECTIVES.values()]).split())

# Normalises the spelling, in this order.
_SPELLING = (
    (r"[’‘]", "'"),
    (r"\s*(?:–|—| - )\s*", ", "),
    (r"\bcan(?:'t|not)\b", "can not"),
    (r"n't\b", " not"),
    (r"'s\b", " is"),
    (r"'(?:ve|ll|d|m|re)\b", ""),
    (r"\blight[ -]blue\b", "cyan"),
    (r"\bsilver\b", "gray metal"),
    (r"\bgold(?:en)?\b", "yellow metal"),
    (r"-", " "),
    (r"\ban\b", "a"),
    (r"\bbigger\b", "larger"),
    (r"\bbiggest\b", "largest"),
    (r"\bfurther\b", "farther"),
    (r"\bviewer\b", "camera"),
    (r"\b(?:image|scene)\b", "picture"),
    (r"\b(?:closer|nearer) to the camera than\b", "in front of"),
    (r"\bfarther (?:back|away)(?: from the camera)? than\b", "behind"),
    (r"\b(?:closest|nearest)(?: (\w+))? to the camera\b", r"frontmost \1"),
    (r"\b(?:farthest|furthest)(?: (\w+))?(?: away)? from the camera\b", r"hindmost \1"),
    (r"\ba few\b", "at least two"),
    (r"\bseveral\b", "at least three"),
    (r"\ba (?:couple|pair) of\b", "two"),
    (r"\ba single\b(?<!not a single)(?<!no a single)", "one"),
    (r"\bthe other(?: one)? (?=is|metal|shiny|matte|rubber)", "one of them "),
    (r"\b(?:(?:made )?of )?the same\b", "same"),
    (r"\b(left|right) (?:hand )?(?:side|half|part)\b", r"\1 side"),
    (r"\b(?:just (?=as many)|going (?=from left)|along (?=with))", ""),
    (r"\b(share|differ)s\b", r"\1"),
    (r"\bright (?=behind|in front)", ""),
    (r"\bequal numbers\b", "equal number"),
    (r"\bnothing but\b", "only"),
    (r"\bi only (?:see|have)\b", "i have only"),
    (r"\bevery (?:single )?one of\b", "all of"),
    (r"\bsmooth,? (?=reflective|shiny)", ""),
)
_HERE = r"\b(?:(?:in|of|on|within|from) (?:my|the|this) picture|in (?:here|mine|total|all))\b"
# Text that claims nothing: closing remarks without a word that describes objects, openings and asides.
_NOTHING_SAID = (
    rf", (?:adding|creating|giving|making|which (?:gives|adds|creates|makes))\b(?:(?!\b(?:{_DESCRIBING})\b)[^.;:])*",
    r"^(?:well|umm?|okay|so|basically)\b ?,?",
    r"^my clue(?: is)? ?:?",
    r"^(?:i think(?: that)?|i notice that|i say|it looks like|looking at the picture ?,?|one interesting detail is)",
    rf"^{_HERE} ?,?",
    _HERE,
    r"\b(?:here|altogether|anywhere|at all|also|put together|combined|around|actually|itself|a total of)\b",
    r"\bover (?=on|in)",
    r"\b(?:made (?:out )?of|(?<!differ )(?<!differs )in (?:colou?r|size)\b|colou?red\b)",
)


class Words(Lexer):
    """Gives lark one terminal for each word. `KeyError` names a word that is not in the grammar."""

    def __init__(self, grammar: Any) -> None:
        own = {str(terminal.pattern.value): terminal.name for terminal in grammar.terminals if terminal.pattern}
        self._names = {**own, **_TERMINAL}

    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]
        for word in data.split(" "):
            yield Token("NUMBER" if word.isdecimal() else self._names[word], word)


def split(clue: str) -> list[str]:
    """The words and stops of a clue, in the grammar's spelling, without text that claims nothing."""
    text = " ".join(unicodedata.normalize("NFKC", clue).casefold().split())
    for pattern, replacement in _SPELLING:
        text = re.sub(pattern, replacement, text)
    for pattern in _NOTHING_SAID:
        text = " ".join(re.sub(pattern, " ", text).split())
    return _without_ones(re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text))


def _without_ones(words: list[str]) -> list[str]:
    """Replaces "one" in "a red cube and a blue one" with its noun."""
    noun, found = "thing", []
    for place, word in enumerate(words):
        if _TERMINAL.get(word) in _NOUNS:
            noun = _TERMINAL[word].lower()
        elif word in ("one", "ones") and place and _TERMINAL.get(words[place - 1]) in _ADJECTIVES:
            word = word.replace("one", noun)
        found.append(word)
    return found
