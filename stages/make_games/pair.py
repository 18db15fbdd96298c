"""One pair to make: what is known before any picture exists, and what comes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.changes import Change
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.games import Domain, Games
from stages.core.seeds import SEED_BITS, derive

LONGEST_ID = 200  # bytes; with "_original.png" it must fit into the 255 that file systems allow


@dataclass(frozen=True)
class Made:
    """The pictures of a pair as PNG bytes, and what is known of them.

    `modified` is None for a blank spy. `scene`, `modified_scene`: what was drawn, as JSON values. `counts` are added
    up over all pairs and reported, e.g. draws that were thrown away.
    """

    original: bytes
    modified: bytes | None
    changes: Sequence[Change] = ()
    scene: Mapping[str, Any] | None = None
    modified_scene: Mapping[str, Any] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """Why no game can be played on this pair: `reason` is one of few words, `detail` names what was found."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Pair(ABC):
    """A pair to be made in some render process. Everything that decides its bytes is in it, or in files it names."""

    pair_id: str
    seed: int
    split: str
    source: str
    domain: Domain
    blank: bool  # the spy sees an empty picture: no modified one is needed
    games: Games

    @property
    def batch(self) -> object:
        """Pairs in a row with equal ones are made by one process, since what they are read from is read at once."""
        return self.pair_id

    @abstractmethod
    def make(self) -> Made | Skipped:
        """The pictures, or why there are none: bad input that can only be seen here should cost no other pair."""

    def check_installed(self) -> None:  # noqa: B027 - most pairs need nothing
        """`MissingExtra` unless the packages that `make` needs are there; quick, since it imports none."""


@dataclass(frozen=True)
class Plan:
    """The pairs to make, in order; the inputs they are read from; and what else decides their bytes.

    `packages` and `drawn_by`: what draws them. Newer tools may draw other bytes, but finished pictures stay.
    `ignored`: pictures in the input that belong to no pair. `more`: the input holds more pairs than the recipe asks
    for. `warnings`: what else the user should hear.
    """

    pairs: Sequence[Pair]
    inputs: Mapping[str, Path | str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    packages: Sequence[str] = ()
    drawn_by: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    more: bool = False
    warnings: Sequence[str] = ()


def common(recipe: Recipe, pair_id: str, source: str, domain: Domain) -> dict[str, Any]:
    """The fields of `Pair`. Seed and split depend on the recipe's seed and the pair's id alone."""
    return {
        "pair_id": pair_id,
        "seed": derive(recipe.seed, "pair", pair_id),
        "split": split_of(recipe, pair_id),
        "source": printable(source),
        "domain": recipe.games.domain or domain,
        "blank": recipe.game.spy_view == "blank",
        "games": recipe.games,
    }


def split_of(recipe: Recipe, pair_id: str) -> str:
    """train, dev or test by the recipe's shares; a pair keeps its split when others are added or left out."""
    place = derive(recipe.seed, "split", pair_id) / 2**SEED_BITS
    if place < recipe.games.test_fraction:
        return "test"
    return "dev" if place < recipe.games.test_fraction + recipe.games.dev_fraction else "train"


def safe_id(text: str, where: str) -> str:
    """`text` if it can be part of a file name."""
    plain = text.isprintable() and not set(text) & set('/\\:*?"<>|')
    if not plain or text.startswith((".", " ")) or text.endswith(" ") or not 0 < len(text.encode()) <= LONGEST_ID:
        raise InputError(
            f"{printable(where)}: {text[:80]!r} cannot name a pair, since files are named by it; use letters, digits, "
            f"'-', '_' and '.', at most {LONGEST_ID} bytes"
        )
    return text


def printable(text: str) -> str:
    """The text with a sign of replacement for what no table or terminal can hold: names of files may be anything."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
