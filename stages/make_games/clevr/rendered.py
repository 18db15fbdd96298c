"""Changes a scene for the spy, renders both scenes, and checks from the pictures that the game is playable."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.core.changes import Change
from stages.core.clevr import Scene, change_objects
from stages.core.clevr.effort import effort_of
from stages.core.clevr.rendering import owners, render
from stages.core.clevr.scene_json import to_json
from stages.core.clevr.visibility import COUNTING_WIDTH
from stages.core.pictures import png
from stages.core.seeds import derive, rng
from stages.make_games.pair import Made, Pair

DRAWN = "drawn"  # the source of pairs whose scenes vz generates
DRAWS = 20  # attempts at a scene or change whose pictures show all that they must
MIN_CHANGED_PIXELS = 100  # of a changed object, in a picture 320 wide: half of what must be in sight
LEAST_APART = 12  # levels of 255: pixels that differ by this in some channel count as different
Owners = NDArray[np.int32]  # (height, width): the object that each pixel shows, -1 for the ground
REDRAWN = "redrawn"  # in the counts: attempts discarded because they did not show enough


@dataclass(frozen=True)
class Draw:
    """A scene, its changed twin (None for a blank spy), and the changes."""

    scene: Scene
    modified: Scene | None
    changes: list[Change]

    def named(self, pair: Pair) -> Draw:
        """The scenes with the names and the split for their JSON."""
        original = replace(self.scene, name=f"{pair.pair_id}_original", split=pair.split)
        if self.modified is None:
            return Draw(original, None, self.changes)
        return Draw(original, replace(self.modified, name=f"{pair.pair_id}_modified", split=pair.split), self.changes)


def changed(scene: Scene, pair: Pair, attempt: int) -> Draw:
    """The scene with a twin, changed by the recipe's rules."""
    if pair.blank:
        return Draw(scene, None, [])
    choices = {"shape": pair.games.shapes, "color": pair.games.colors, "material": pair.games.materials}
    draw = rng(pair.seed, "change", attempt)
    return Draw(scene, *change_objects(scene, pair.games.changes, pair.games.change_attributes, draw, choices))


def rendered(pair: Pair, draw: Draw, redrawn: int) -> Made | str:
    """Both pictures; or, in a few words, what they fail to show."""
    draw = draw.named(pair)
    effort = effort_of(pair.games)
    before = owners(draw.scene, effort.renderer)
    after = None if draw.modified is None else owners(draw.modified, effort.renderer)
    fault = _hidden(pair, draw, before, after)
    if fault is not None:
        return fault
    # One seed for both pictures: what did not change looks the same to the last speck.
    seed = derive(pair.seed, "render")
    original = render(draw.scene, effort, seed)
    counts = {REDRAWN: redrawn}
    if draw.modified is None or after is None:
        return Made(png(Image.fromarray(original)), None, (), to_json(draw.scene), counts=counts)
    modified = render(draw.modified, effort, seed)
    fault = _unchanged(pair, draw, np.abs(original.astype(np.int16) - modified).max(axis=2), before, after)
    if fault is not None:
        return fault
    return Made(
        png(Image.fromarray(original)),
        png(Image.fromarray(modified)),
        draw.changes,
        to_json(draw.scene),
        to_json(draw.modified),
        counts=counts,
    )


def scaled(pixels: int, scene: Scene) -> float:
    """A number of pixels in a picture 320 wide, scaled to the scene's picture."""
    return pixels * (max(scene.width, scene.height) / COUNTING_WIDTH) ** 2


def in_sight(owner: Owners, objects: int) -> NDArray[np.int64]:
    """How many pixels show each object."""
    return np.bincount(owner[owner >= 0], minlength=objects)


def _hidden(pair: Pair, draw: Draw, before: Owners, after: Owners | None) -> str | None:
    """Names an object that shows too little. Given scenes may hide some objects, but the change must hide no more."""
    least, count = scaled(pair.games.min_pixels, draw.scene), len(draw.scene.objects)
    seen = in_sight(before, count)
    if pair.source == DRAWN and seen.min() < least:
        return f"object {seen.argmin()} shows {seen.min()} pixels"
    if after is not None:
        still = in_sight(after, count)
        lost = np.flatnonzero(still < np.minimum(seen, least))
        if len(lost):
            return f"object {lost[0]} shows {still[lost[0]]} pixels after the change"
    return None


def _unchanged(pair: Pair, draw: Draw, apart: NDArray[np.int16], before: Owners, after: Owners) -> str | None:
    """Names a changed object that looks nearly the same as before. `apart`: how far the pictures differ, in levels."""
    least = scaled(MIN_CHANGED_PIXELS, draw.scene)
    for number in sorted({change.object for change in draw.changes}):
        found = int(np.count_nonzero((apart >= LEAST_APART) & ((before == number) | (after == number))))
        if found < least:
            return f"object {number} differs in {found} pixels"
    return None
