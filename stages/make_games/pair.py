"""One pair to make: what is known before any picture exists, and the result."""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.changes import Change
from stages.core.recipe import Recipe
from stages.core.recipe.games import Domain, Games
from stages.core.seeds import SEED_BITS, derive

LONGEST_ID = 200  # bytes; with "_original.png" it fits into the 255 that file systems allow
LOOKS_THE_SAME = "look_the_same"  # in the counts: pairs whose pictures differ by less than the eye sees
UNSAFE = re.compile(r'[/\\:*?"<>|]')  # characters that some systems forbid in file names


@dataclass(frozen=True)
class Made:
    """The pictures of a pair as PNG bytes, and what is known about them.

    `modified` is None for a blank spy. `scene`, `modified_scene`: what was drawn, as JSON values. `counts`, e.g.
    discarded attempts, are added up over all pairs and reported.
    """

    original: bytes
    modified: bytes | None
    changes: Sequence[Change] = ()
    scene: Mapping[str, Any] | None = None
    modified_scene: Mapping[str, Any] | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """Why a pair is unusable: `reason` in a few words, and `detail`, which names the file or row and the problem."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Pair(ABC):
    """A pair to make, in any process. It contains, or names the files of, everything that decides its bytes."""

    pair_id: str
    seed: int
    split: str
    source: str
    domain: Domain
    blank: bool  # the spy sees an empty picture, so the pair needs no modified one
    games: Games

    @abstractmethod
    def make(self) -> Made | Skipped:
        """The pictures, or why the pair is skipped."""

    def check_installed(self) -> None:  # noqa: B027 - most pairs need nothing
        """`MissingExtra` if a package that `make` needs is missing. Quick, since it imports none."""


@dataclass(frozen=True)
class Plan:
    """The pairs to make, in order; the inputs they come from; and what else decides their bytes.

    `packages` and `drawn_by` say what draws the pictures. Newer tools may draw other bytes, but finished pictures stay.
    `skipped`: unusable parts of the input, by name. `ignored`: pictures that belong to no pair. `more`: the input holds
    more pairs than the recipe asks for. `tables`: how many tables it holds, for charts.
    """

    pairs: Sequence[Pair]
    inputs: Mapping[str, Path | str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    packages: Sequence[str] = ()
    drawn_by: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, Skipped] = field(default_factory=dict)
    ignored: Sequence[str] = ()
    more: bool = False
    tables: int = 0
    warnings: Sequence[str] = ()


def common(recipe: Recipe, pair_id: str, source: str, domain: Domain, split: str | None = None) -> dict[str, Any]:
    """The fields of `Pair`. Its seed, and its split unless given, depend only on the recipe's seed and the id."""
    return {
        "pair_id": pair_id,
        "seed": derive(recipe.seed, "pair", pair_id),
        "split": split or split_of(recipe, pair_id),
        "source": printable(source),
        "domain": recipe.games.domain or domain,
        "blank": recipe.game.spy_view == "blank",
        "games": recipe.games,
    }


def split_of(recipe: Recipe, name: str) -> str:
    """train, dev or test, by the recipe's shares. A name keeps its split when you add or remove others."""
    place = _place(recipe, name)
    if place < recipe.games.test_fraction:
        return "test"
    return "dev" if place < recipe.games.test_fraction + recipe.games.dev_fraction else "train"


def splits_of(recipe: Recipe, names: Collection[str]) -> dict[str, str]:
    """The split of each name, as by `split_of`, but no requested split stays empty if that can be helped.

    Each name stands for what must share a split, such as the pairs of one photo. Train comes first, then test, then
    dev.
    """
    shares = recipe.games.test_fraction, recipe.games.dev_fraction
    drawn = [split_of(recipe, name) for name in names]
    test, dev = (max(drawn.count(each), int(share > 0)) for each, share in zip(("test", "dev"), shares, strict=True))
    test = min(test, max(len(names) - 1, 0))
    dev = min(dev, max(len(names) - 1 - test, 0))
    ranked = sorted(names, key=lambda name: _place(recipe, name))
    splits = ["test"] * test + ["dev"] * dev + ["train"] * (len(names) - test - dev)
    return dict(zip(ranked, splits, strict=True))


def _place(recipe: Recipe, name: str) -> float:
    return float(derive(recipe.seed, "split", name) / 2**SEED_BITS)


def safe_id(text: str) -> str:
    """A name for a pair's files: `text` itself if it is a valid file name everywhere, else a safe form with a hash."""
    plain = UNSAFE.sub("-", "".join(letter if letter.isprintable() else "-" for letter in text)).strip(" .")
    if plain == text and len(text.encode()) <= LONGEST_ID:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    short = plain.encode()[: LONGEST_ID - 9].decode(errors="ignore").rstrip(" .-")
    return f"{short}-{mark}" if short else f"pair-{mark}"


def printable(text: str) -> str:
    """The text with a replacement character for unprintable ones, which break tables and terminals: file names may
    contain anything."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
