"""Changing a scene for the spy, and rendering both."""

from __future__ import annotations

import io
from dataclasses import replace

from PIL import Image

from stages.core.changes import Change
from stages.core.clevr import Scene, change_objects, render
from stages.core.clevr.scene_json import to_json
from stages.core.seeds import derive, rng
from stages.make_games.pair import Made, Pair


def changed(scene: Scene, pair: Pair, attempt: int) -> tuple[Scene | None, list[Change]]:
    """The spy's scene by the recipe's rules of change; None for a blank spy."""
    if pair.blank:
        return None, []
    choices = {"shape": pair.games.shapes, "color": pair.games.colors, "material": pair.games.materials}
    draw = rng(pair.seed, "change", attempt)
    return change_objects(scene, pair.games.changes, pair.games.change_attributes, draw, choices)


def rendered(pair: Pair, scene: Scene, modified: Scene | None, changes: list[Change]) -> Made:
    """Both pictures and what they show."""
    original = replace(scene, name=f"{pair.pair_id}_original", split=pair.split)
    if modified is None:
        return Made(_png(pair, original), None, changes, to_json(original))
    twin = replace(modified, name=f"{pair.pair_id}_modified", split=pair.split)
    return Made(_png(pair, original), _png(pair, twin), changes, to_json(original), to_json(twin))


def _png(pair: Pair, scene: Scene) -> bytes:
    # One seed for both pictures: what did not change looks the same to the last speck.
    picture = render(scene, samples=pair.games.samples, seed=derive(pair.seed, "render"), denoise=pair.games.denoise)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "png")
    return buffer.getvalue()
