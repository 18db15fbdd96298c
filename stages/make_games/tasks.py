"""One pair to make: what is known before any picture is drawn. Tasks travel to the render processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.core.clevr.scene import Scene
from stages.core.recipe import Recipe
from stages.core.recipe.games import Games
from stages.core.seeds import SEED_BITS, derive


@dataclass(frozen=True)
class Pair:
    """What every pair has, whatever it is made from. `blank` pairs have no modified picture."""

    pair_id: str
    seed: int
    split: str
    source: str
    blank: bool
    games: Games


@dataclass(frozen=True)
class DrawnPair(Pair):
    """A scene to be drawn by CLEVR's rules."""

    index: int


@dataclass(frozen=True)
class ScenePair(Pair):
    """A given scene, its camera recovered."""

    scene: Scene


@dataclass(frozen=True)
class ReadyPair(Pair):
    """Pictures that exist already; `comparison` is the published data set's note of what was replaced."""

    original: Path
    modified: Path | None
    comparison: Mapping[str, Any] | None
    comparison_file: Path | None


Task = DrawnPair | ScenePair | ReadyPair


def common(recipe: Recipe, pair_id: str, source: str) -> dict[str, Any]:
    """The fields of `Pair`. Seed and split depend on the recipe's seed and the pair's id alone."""
    return {
        "pair_id": pair_id,
        "seed": derive(recipe.seed, "pair", pair_id),
        "split": split_of(recipe, pair_id),
        "source": source,
        "blank": recipe.game.spy_view == "blank",
        "games": recipe.games,
    }


def split_of(recipe: Recipe, pair_id: str) -> str:
    """train, dev or test by the recipe's shares; a pair keeps its split when others are added or left out."""
    place = derive(recipe.seed, "split", pair_id) / 2**SEED_BITS
    if place < recipe.games.test_fraction:
        return "test"
    return "dev" if place < recipe.games.test_fraction + recipe.games.dev_fraction else "train"
