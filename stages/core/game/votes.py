r"""What a boxed vote says: one seat, an abstention, or nothing clear.

vz splits an answer into words of a few kinds (`words.py`). It must begin with known words that name a seat or abstain.
A reason may follow after a colon, a comma, a bracket or "because". Anything that could change the meaning makes the
vote unreadable: another seat, a denial, or an unknown word next to the seat.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal, NamedTuple

from stages.core.game import words

VoteKind = Literal["seat", "na", "unreadable"]

_MAX_CHARS = 2000  # a longer box is not a vote
_BEFORE = {"seat", "ordinal", "spy", "filler", "counted", "break"}  # kinds allowed before the seat
_BESIDE = {"seat", "ordinal", "spy", "filler", "counted", "query"}  # kinds allowed between the seat and the reason
_ABSTAINS = {"abstain", "doubt"}


@dataclass(frozen=True)
class Vote:
    """A vote. `seat` is None unless `kind` is "seat"."""

    kind: VoteKind
    seat: int | None = None


class _Word(NamedTuple):
    kind: str  # of `words.PHRASES`; or number, counted, break, query, unknown
    text: str
    number: int | None = None  # None for a number that cannot be a seat, such as 2.5
    ordinal: bool = False


def vote_of(box: str, players: int) -> Vote:
    """The vote in a box's content, in a game of `players`."""
    answer = _split(box) if len(box) <= _MAX_CHARS else []
    start = next((n for n, word in enumerate(answer) if word.kind in {"number", *_ABSTAINS}), None)
    if start is None or any(word.kind not in _BEFORE for word in answer[:start]):
        return Vote("unreadable")
    end = next((n for n, word in enumerate(answer) if n > start and word.kind in {"break", "why"}), len(answer))
    kinds = {word.kind for word in answer[start:end]}
    if any(word.kind == "query" for word in answer[:-1]):
        return Vote("unreadable")
    if answer[start].kind in _ABSTAINS:
        clear = kinds <= {*_BESIDE, *_ABSTAINS, "plural"} and not any(word.kind == "number" for word in answer)
        return Vote("na" if clear else "unreadable")
    seat = _only_number(answer)
    clear = kinds <= {*_BESIDE, "number"} and not _counts(answer[:end]) and not _denies(answer[end:])
    return Vote("seat", seat) if clear and seat and seat <= players else Vote("unreadable")


def _only_number(answer: Sequence[_Word]) -> int | None:
    """The only number in the answer; None if there are several, or a list repeats one number ("2, 2")."""
    numbers = [word for word in answer if word.kind == "number"]
    is_list = len(numbers) > 1 and len({word.text for word in numbers}) == 1
    if is_list and not any(word.kind in {"seat", "ordinal", "spy"} for word in answer):
        return None
    values = {word.number for word in numbers}
    return values.pop() if len(values) == 1 else None


def _counts(head: Sequence[_Word]) -> bool:
    """Whether a number says how many, not who: "3 players"."""
    return any(a.kind == "number" and not a.ordinal and b.kind == "seat" for a, b in pairwise(head))


def _denies(reason: Sequence[_Word]) -> bool:
    """Whether the words after a seat deny it: "not the spy", "a civilian", "or N/A"."""
    kinds = [*(word.kind for word in reason), "break"]
    telling = [kind for kind in kinds if kind != "filler"]
    first = next((kind for kind in telling if kind not in {"break", "why"}), None)
    ends = any(pair in {("no", "break"), ("abstain", "break")} for pair in pairwise(kinds))
    return first == "civilian" or ends or ("no", "spy") in pairwise(telling)


# Formatting commands are removed, and their text stays. Any other command is an unknown word: `\neq 3` is not a vote
# for 3.
_COLOUR = re.compile(r"\\(?:text)?color\s*\{[^{}]*\}")
_FORMATTING = re.compile(
    r"\\(?:text(?:bf|it|rm|tt|sf|normal|circled)?|math(?:bf|rm|it|tt|sf|bb|cal)|bm|boldsymbol|mbox|hbox|underline|emph"
    r"|operatorname|(?:display|text)style|tiny|small|normalsize|[lL]arge|LARGE|[hH]uge|bf|it|rm|q?quad|boxed)"
    r"(?![a-zA-Z])"
)
_ARROW = re.compile(r"\\(?:to|(?:long)?rightarrow|(?:Long)?Rightarrow|implies)(?![a-zA-Z])")
_ESCAPE = re.compile(r"\\(?![a-zA-Z])")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")  # scripts without spaces between words
_LETTER = r"[^\W\d_]"
_REMOVED, _KEPT = {"Mn", "Me", "Cf", "Cc"}, "\n\u0338\u3099\u309a"  # kept: the stroke of ≠, the marks of が and ぱ


def _split(box: str) -> list[_Word]:
    text = _ESCAPE.sub(" ", _ARROW.sub("→", _FORMATTING.sub(" ", _COLOUR.sub(" ", box))))
    found: list[_Word] = []
    for match in _scanner().finditer(_plain(text)):
        word = _word(match, found[-1] if found else None)
        if word:
            found.append(word)
    return _without_counts(found)


def _word(match: re.Match[str], before: _Word | None) -> _Word | None:
    """The word that the scanner found; None for signs without meaning."""
    kind, text = match.lastgroup or "unknown", match.group()
    if kind == "digits":
        whole = re.fullmatch(r"\d{1,3}", text)
        return _Word("number", text, int(text) if whole else None)
    if kind == "nth":
        return _Word("number", text, int(re.sub(r"\D.*", "", text)), ordinal=True)
    if kind == "phrase":
        after_seat = before is not None and before.kind == "seat" and text in _after_seat()
        return _after_seat()[text] if after_seat else _phrases().get(text, _Word("unknown", text))
    return None if kind == "sign" else _Word(kind, text)


def _without_counts(answer: list[_Word]) -> list[_Word]:
    """The answer with "two" before an unknown word ("two spheres") not counted as a seat. Digits stay numbers."""
    kinds = ["", *(word.kind for word in answer), ""]
    return [
        _Word("unknown", word.text)
        if word.kind == "number" and word.text.isalpha() and after == "unknown" and before not in {"seat", "plural"}
        else word
        for before, word, after in zip(kinds, answer, kinds[2:], strict=False)
    ]


@cache
def _scanner() -> re.Pattern[str]:
    longest_first = sorted({*_phrases(), *_after_seat()}, key=len, reverse=True)
    joined = [re.escape(phrase) for phrase in longest_first if _UNSPACED.search(phrase)]
    spaced = [re.escape(phrase) for phrase in longest_first if not _UNSPACED.search(phrase)]
    whole_word = rf"(?<!{_LETTER})(?:{{}})(?!{_LETTER})"
    counted = "|".join(map(re.escape, _listed(words.COUNTED)))
    kinds = {
        "abstain": rf"(?<!{_LETTER})n[ }}]*[./]?[ {{]*a\.?(?![a-z])",
        "seat": rf"(?<!{_LETTER})(?:(?:no|nr|num|n[o°]?)\.?(?= ?[#:]? ?\d)|p(?= ?\d))",
        "counted": rf"(?:{counted}) ?#?\d+|第?\d+ ?(?:轮|回合|ラウンド|라운드)",
        "nth": r"(?<![\w.,+−-])\d{1,3}(?:st|nd|rd|th|er|re|eme|e|o|-?(?:и|ыи|ои|ти|я))(?!\w)",
        "digits": r"(?:(?<![\w)])[-+−])?\d+(?:[.,:/⁄^–-]\d+)*(?:%|[a-z]+)?",
        "phrase": "|".join([*joined, whole_word.format("|".join(spaced))]),
        "query": r"\?+",
        "unknown": rf"!(?= ?[\d=])|~~|\\?{_LETTER}+",
        "sign": r"[-=]+>|[\s_*`'\"«»“”„#$=/•·→⇒➡✓✔✅👉🕵~)\]}]",
        "break": r"[:(\[{,;.!。、|–—―-]",
        "": ".",
    }
    return re.compile("|".join(f"(?P<{kind}>{rule})" if kind else rule for kind, rule in kinds.items()), re.DOTALL)


@cache
def _phrases() -> dict[str, _Word]:
    found = {text: _Word(kind, text) for kind, phrases in words.PHRASES.items() for text in _listed(phrases)}
    found |= {text: _Word("number", text, number, ordinal=True) for text, number in _counting(words.ORDINALS)}
    return found | {text: _Word("number", text, number) for text, number in _counting(words.CARDINALS)}


@cache
def _after_seat() -> dict[str, _Word]:
    return {text: _Word("number", text, number) for text, number in _counting(words.AFTER_SEAT)}


def _listed(phrases: str) -> list[str]:
    return [text for text in re.split(r" *[,\n] *", _plain(phrases, line_break="\n")) if text.strip()]


def _counting(lines: str) -> Iterable[tuple[str, int]]:
    for line in lines.split("\n"):
        for number, word in enumerate(line.split(","), start=1):
            if word.strip(" -"):
                yield _plain(word), number


def _plain(text: str, line_break: str = ";") -> str:
    """`text` normalised, without case, accents and invisible characters, and with single spaces."""
    kept = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).replace("’", "'").casefold())
    kept = "".join(char for char in kept if char in _KEPT or unicodedata.category(char) not in _REMOVED)
    lines = unicodedata.normalize("NFKC", kept).split("\n")
    return line_break.join(" ".join(line.split()) for line in lines).strip()
