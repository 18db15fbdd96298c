"""One pair to make: what is known before any picture exists, and what comes of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stages.core.changes import Change
from stages.core.recipe import Recipe
from stages.core.recipe.games import Domain, Games
from stages.core.seeds import SEED_BITS, derive


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

    @abstractmethod
    def make(self) -> Made | Skipped:
        """The pictures. Bad input that can only be seen here is an `InputError`."""

    def check_installed(self) -> None:  # noqa: B027 - most pairs need nothing
        """`MissingExtra` unless the packages that `make` needs are there; quick, since it imports none."""


@dataclass(frozen=True)
class Plan:
    """The pairs to make, in order; the inputs they are read from; and what else decides their bytes."""

    pairs: Sequence[Pair]
    inputs: Mapping[str, Path | str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def common(recipe: Recipe, pair_id: str, source: str, domain: Domain) -> dict[str, Any]:
    """The fields of `Pair`. Seed and split depend on the recipe's seed and the pair's id alone."""
    return {
        "pair_id": pair_id,
        "seed": derive(recipe.seed, "pair", pair_id),
        "split": split_of(recipe, pair_id),
        "source": source,
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
