"""Where two pictures differ: boxes around connected regions of changed pixels.

Counts changed pixels in the cells of a coarse grid. That way a few specks do not make a region, and the pieces of one
object, such as its edges, fall into neighbouring cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

SMOOTH = ImageFilter.BoxBlur(1)  # a mean over 3 x 3 pixels removes a renderer's noise
THRESHOLD = 24  # of 255, in the channel that differs most; soft shadows and JPEG artefacts stay below
CELLS = 80  # along the longer side
CHANGED_SHARE = 0.15  # the share of changed pixels that puts a cell into a region
LEAST_SHARE = 0.0005  # of the picture's pixels; smaller regions are left out if larger ones exist
MOST = 12  # outlines; with more, the pictures differ everywhere, and outlines say nothing

Cell = tuple[int, int]  # row, column


class Box(NamedTuple):
    """A rectangle in pixels; right and bottom are just outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        return (self.right - self.left) * (self.bottom - self.top)

    def touches(self, other: Box) -> bool:
        across = max(self.left, other.left) <= min(self.right, other.right)
        return across and max(self.top, other.top) <= min(self.bottom, other.bottom)

    def joined(self, other: Box) -> Box:
        corner = min(self.left, other.left), min(self.top, other.top)
        return Box(*corner, max(self.right, other.right), max(self.bottom, other.bottom))


@dataclass(frozen=True)
class Difference:
    """Boxes around the differences, the largest first; `left_out` counts the regions that are too small or too many."""

    boxes: list[Box]
    left_out: int = 0


def difference(original: Image.Image, modified: Image.Image) -> Difference | None:
    """Where two RGB pictures differ to the eye; None if their sizes differ."""
    if original.size != modified.size:
        return None
    before, after = (np.asarray(picture.filter(SMOOTH), dtype=np.int16) for picture in (original, modified))
    changed = np.abs(before - after).max(axis=2) > THRESHOLD
    side = max(1, -(-max(original.size) // CELLS))
    counts = _count(changed, side)
    cells = {(int(row), int(column)) for row, column in np.argwhere(counts >= max(1.0, CHANGED_SHARE * side**2))}
    regions = list(_connected(cells))
    large = [cells for cells in regions if sum(counts[cell] for cell in cells) >= LEAST_SHARE * changed.size] or regions
    boxes = sorted(_merged([_box(cells, side, original.size) for cells in large]), key=lambda box: (-box.area, box))
    return Difference(boxes[:MOST], len(regions) - len(large) + len(boxes[MOST:]))


def _count(changed: NDArray[np.bool_], side: int) -> NDArray[Any]:
    """The number of changed pixels in each cell."""
    height, width = changed.shape
    padded = np.pad(changed, ((0, -height % side), (0, -width % side)))
    shape = padded.shape[0] // side, side, padded.shape[1] // side, side
    counts: NDArray[Any] = padded.reshape(shape).sum(axis=(1, 3))
    return counts


def _connected(waiting: set[Cell]) -> Iterator[list[Cell]]:
    """Groups of neighbouring cells. A gap of one cell does not separate them."""
    while waiting:
        edge = [min(waiting)]
        waiting -= set(edge)
        found = list(edge)
        while edge:
            row, column = edge.pop()
            near = {(row + down, column + right) for down in range(-2, 3) for right in range(-2, 3)} & waiting
            waiting -= near
            found += near
            edge += near
        yield found


def _box(cells: list[Cell], side: int, size: tuple[int, int]) -> Box:
    """The box around the cells, with a margin, within the picture."""
    (top, left), (bottom, right) = np.min(cells, axis=0) * side, (np.max(cells, axis=0) + 1) * side
    room = max(2, side // 2)
    corner = max(0, int(left) - room), max(0, int(top) - room)
    return Box(*corner, min(size[0], int(right) + room), min(size[1], int(bottom) + room))


def _merged(boxes: list[Box]) -> list[Box]:
    """Merges boxes that touch, until none do."""
    done: list[Box] = []
    for box in boxes:
        while near := next((other for other in done if box.touches(other)), None):
            done.remove(near)
            box = box.joined(near)
        done.append(box)
    return done
