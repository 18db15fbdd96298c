"""Where two pictures differ: boxes around connected regions of changed pixels.

Pixels are gathered in the cells of a coarse grid, so that a few specks light no cell and the pieces of one changed
object, its edges for example, lie in cells that touch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

CALM = ImageFilter.BoxBlur(1)  # a renderer's noise is gone in the mean of 3 x 3 pixels
THRESHOLD = 24  # of 255, in the channel that differs most; soft shadows and JPEG's traces stay below
CELLS = 80  # along the longer side
LIT = 0.15  # of a cell's pixels are changed: it belongs to a region
LEAST = 0.0005  # of the picture's pixels: smaller regions are not outlined where there are larger ones
MOST = 12  # outlined; with more the picture differs everywhere, and outlines say nothing
PAD = 0.012  # of the longer side, between a region and its outline

Mask = NDArray[np.bool_]
Point = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def holds(self, point: Point) -> bool:
        return self.left <= point[0] < self.right and self.top <= point[1] < self.bottom

    def touches(self, other: Box) -> bool:
        apart = self.right < other.left or other.right < self.left or self.bottom < other.top or other.bottom < self.top
        return not apart

    def joined(self, other: Box) -> Box:
        corners = (min(self.left, other.left), min(self.top, other.top))
        return Box(*corners, max(self.right, other.right), max(self.bottom, other.bottom))

    def padded(self, size: tuple[int, int]) -> Box:
        """With some room around it, within a picture of that size."""
        pad = max(2, round(PAD * max(size)))
        corners = (max(0, self.left - pad), max(0, self.top - pad))
        return Box(*corners, min(size[0], self.right + pad), min(size[1], self.bottom + pad))


@dataclass(frozen=True)
class Region:
    """A stretch of changed pixels; `centre` is the number of the given point that it belongs to, if to one."""

    box: Box
    pixels: int
    centre: int | None = None


@dataclass(frozen=True)
class Difference:
    """`regions`, the largest first; `left_out` counts those that are too small or too many to be outlined."""

    regions: list[Region]
    left_out: int = 0


def difference(original: Image.Image, modified: Image.Image, centres: Sequence[Point] = ()) -> Difference | None:
    """Where two RGB pictures differ to the eye; None if they have not the same size and so cannot be laid together.

    `centres`: where changed objects stand. A region that holds several is shared out, each pixel to the nearest.
    """
    if original.size != modified.size:
        return None
    before, after = (np.asarray(picture.filter(CALM), dtype=np.int16) for picture in (original, modified))
    changed: Mask = np.abs(before - after).max(axis=2) > THRESHOLD
    found = [part for pixels in _connected(changed) for part in _shared_out(pixels, centres)]
    least = LEAST * changed.size
    large = [region for region in found if region.pixels >= least or region.centre is not None] or found
    padded = [Region(region.box.padded(original.size), region.pixels, region.centre) for region in large]
    merged = sorted(_merged(padded), key=lambda region: (-region.box.area, region.box.top, region.box.left))
    return Difference(merged[:MOST], len(found) - len(large) + len(merged[MOST:]))


def _connected(changed: Mask) -> Iterator[NDArray[Any]]:
    """Each connected region as the places of its pixels: an array of rows (y, x)."""
    side = max(1, -(-max(changed.shape) // CELLS))
    counts = _cell_counts(changed, side)
    waiting = {(int(row), int(column)) for row, column in np.argwhere(counts >= max(1.0, LIT * side * side))}
    while waiting:
        region = np.zeros_like(changed)
        for row, column in _flood(min(waiting), waiting):
            cell = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
            region[cell] = changed[cell]
        yield np.argwhere(region)


def _cell_counts(changed: Mask, side: int) -> NDArray[Any]:
    """Changed pixels in each cell."""
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % side), (0, -width % side)))
    rows, columns = padded.shape[0] // side, padded.shape[1] // side
    counts: NDArray[Any] = padded.reshape(rows, side, columns, side).sum(axis=(1, 3))
    return counts


def _flood(start: tuple[int, int], waiting: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """The lit cells that hang together with `start`, taken out of `waiting`; one dark cell between them is no gap."""
    waiting.remove(start)
    found, edge = [start], [start]
    while edge:
        row, column = edge.pop()
        near = {(row + down, column + right) for down in range(-2, 3) for right in range(-2, 3)} & waiting
        waiting -= near
        found += near
        edge += near
    return found


def _shared_out(pixels: NDArray[Any], centres: Sequence[Point]) -> Iterator[Region]:
    """The region, or a part of it for each centre that it holds."""
    whole = _box(pixels)
    inside = [number for number, centre in enumerate(centres) if whole.holds(centre)]
    if len(inside) < 2:
        yield Region(whole, len(pixels), inside[0] if inside else None)
        return
    places = np.array([(centres[number][1], centres[number][0]) for number in inside])
    nearest = ((pixels[:, None, :] - places[None, :, :]) ** 2).sum(axis=2).argmin(axis=1)
    for place, number in enumerate(inside):
        own = pixels[nearest == place]
        if len(own):
            yield Region(_box(own), len(own), number)


def _box(pixels: NDArray[Any]) -> Box:
    (top, left), (bottom, right) = pixels.min(axis=0), pixels.max(axis=0)
    return Box(int(left), int(top), int(right) + 1, int(bottom) + 1)


def _merged(regions: Sequence[Region]) -> list[Region]:
    """Regions whose boxes touch become one, until none do; but two changed objects stay two."""
    done: list[Region] = []
    waiting = list(regions)
    while waiting:
        region = waiting.pop()
        near = next((other for other in done if _belongs(region, other)), None)
        if near is None:
            done.append(region)
        else:
            done.remove(near)
            centre = region.centre if near.centre is None else near.centre
            waiting.append(Region(region.box.joined(near.box), region.pixels + near.pixels, centre))
    return done


def _belongs(one: Region, other: Region) -> bool:
    return one.box.touches(other.box) and (one.centre is None or other.centre is None)
