"""From untrusted text to the words that the grammar reads."""

from __future__ import annotations

import re
import unicodedata

from stages.evaluate.claims.lexicon import places, verbs  # noqa: F401  (their tables fill KNOWN)
from stages.evaluate.claims.lexicon.asides import FILLERS, KEPT, REMARKS, REMARKS_NAME
from stages.evaluate.claims.lexicon.words import KNOWN

STOP = "."
PAUSES = (",", ":", STOP)
_SIGNS = str.maketrans(
    dict.fromkeys("’‘`", "'")
    | dict.fromkeys("()[]{}<>–—", " , ")
    | dict.fromkeys(";!\n", " . ")
    | dict.fromkeys('-"“”*', " ")
    | {":": " : "}
)
_TOKEN = re.compile(r"'(?:s|re|ve|m|ll|d)\b|3d\b|\d+(?:[.,]\d+)+|\d+|[^\W\d_]+|[.,:]|\S")
_NOT = re.compile(r"\b(is|are|do|does|did|has|have|was|were|ca|wo)n['’]?t\b")
_ITS_A = re.compile(r"\bits(?= an? )")
_SHORT = {"theres": "there 's", "cannot": "can not", "thats": "that 's"}
_LONG = {"'re": "are", "'ve": "have", "'m": "am", "ca": "can", "wo": "will"}


def tokens(text: str) -> tuple[str, ...]:
    """Lower-case words, commas and stops, without fillers and closing remarks; "don't" as "do not"."""
    plain = unicodedata.normalize("NFKC", text).lower().translate(_SIGNS)
    plain = _ITS_A.sub("it's", _NOT.sub(r"\1 not", plain))
    words = [part for word in _TOKEN.findall(plain) for part in _LONG.get(word, _SHORT.get(word, word)).split()]
    return _tidied(_without_remark(_without_fillers(tuple(words))))


def unread(words: tuple[str, ...]) -> list[str]:
    """Words that stand in no table, each once."""
    return [word for word in dict.fromkeys(words) if word not in KNOWN and word not in PAUSES]


def _without_fillers(words: tuple[str, ...]) -> tuple[str, ...]:
    kept: list[str] = []
    at = 0
    while at < len(words):
        needed = max((end for _, end in KEPT.at(words, at)), default=at)
        end = max((end for _, end in FILLERS.at(words, at)), default=at)
        if needed > at or end == at:
            end = max(needed, at + 1)
            kept += words[at:end]
        at = end
    return tuple(kept)


def _without_remark(words: tuple[str, ...]) -> tuple[str, ...]:
    """Cut a remark at the end of each sentence, if it names nothing that could be judged."""
    kept: list[str] = []
    for sentence in _sentences(words):
        for at in range(1, len(sentence)):
            ends = [end for _, end in REMARKS.at(sentence, at)]
            if ends and all(word in REMARKS_NAME or word not in KNOWN for word in sentence[max(ends) :]):
                sentence = sentence[: at - 1] if sentence[at - 1] == "and" else sentence[:at]
                break
        kept += [*sentence, STOP]
    return tuple(kept)


def _sentences(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    found: list[list[str]] = [[]]
    for word in words:
        if word == STOP:
            found.append([])
        else:
            found[-1].append(word)
    return [tuple(sentence) for sentence in found if sentence]


def _tidied(words: tuple[str, ...]) -> tuple[str, ...]:
    """No comma beside another, at a sentence's start or end; one stop between sentences and none at the end."""
    kept: list[str] = []
    for word in words:
        if word in (",", ":") and (not kept or kept[-1] in (*PAUSES, "a", "an", "the")):
            continue  # also where a filler stood: "a smooth, red cube"
        if word == STOP:
            while kept and kept[-1] in (",", ":"):
                kept.pop()
            if not kept or kept[-1] == STOP:
                continue
        kept.append(word)
    while kept and kept[-1] in PAUSES:
        kept.pop()
    return tuple(kept)
