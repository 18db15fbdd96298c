"""Deliberate noise, for pairs from any source: the paper trained on photos with a tenth of each kind."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from stages.core.errors import InputError
from stages.core.pictures import BLANK_COLOUR, png
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.make_games.pair import Made, Pair

BLANK, IDENTICAL = KINDS = ("blank", "identical")


def check(recipe: Recipe) -> None:
    """`InputError` if the recipe asks for noise that no game can show."""
    if asked(recipe) and recipe.game.spy_view == "blank":
        raise InputError(
            "games.noise spoils modified pictures, but game.spy_view=blank makes none; set its shares to 0"
        )


def asked(recipe: Recipe) -> bool:
    """Whether the recipe asks for any spoilt pair."""
    return recipe.games.noise.blank + recipe.games.noise.identical > 0


def kind_of(pair: Pair) -> str | None:
    """How the pair is spoilt, or None. It depends only on the pair's seed and the shares."""
    shares = pair.games.noise
    place = rng(pair.seed, "noise").random()
    if pair.blank or place >= shares.blank + shares.identical:
        return None
    return BLANK if place < shares.blank else IDENTICAL


def spoilt(made: Made, kind: str | None) -> Made:
    """The pair without changes, with an empty picture or the original in place of its modified one."""
    if kind is None or made.modified is None:
        return made
    if kind == IDENTICAL:
        return replace(made, modified=made.original, changes=(), modified_scene=made.scene)
    return replace(made, modified=_blank_like(made.modified), changes=(), modified_scene=None)


def _blank_like(picture: bytes) -> bytes:
    with Image.open(io.BytesIO(picture)) as image:
        return png(Image.new("RGB", image.size, BLANK_COLOUR))
