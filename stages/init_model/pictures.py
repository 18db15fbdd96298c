"""Pictures to learn from: scenes drawn by the recipe's own rules, rendered on the spot, with what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.core.clevr import Scene, change_objects, render, sample_scene
from stages.core.clevr.camera import project
from stages.core.clevr.effort import effort_of, with_renderer
from stages.core.errors import InputError
from stages.core.folder.files import replace_file
from stages.core.processes.pool import work_through
from stages.core.progress import Progress, Silent
from stages.core.recipe.games import GRID_CELLS, Games
from stages.core.seeds import derive, rng
from stages.init_model.lessons import Pair, Thing, View
from stages.init_model.plan import Eyes

_CHUNK = 8  # pairs that a process takes at a time

Drawn = tuple[NDArray[np.uint8], tuple[Thing | None, ...]]


@dataclass(frozen=True)
class Album:
    """`pairs` with their `pictures`: [2 × pairs, height, width, 3] uint8, original before modified."""

    pairs: list[Pair]
    pictures: NDArray[np.uint8]

    @property
    def views(self) -> list[View]:
        """One a picture, in the pictures' order."""
        return [view for pair in self.pairs for view in (pair.original, pair.modified)]


def check_games(games: Games, eyes: Eyes) -> None:
    """`InputError` unless every visual token shows one cell: small eyes learn to see nothing else in minutes."""
    if games.layout != "grid" or eyes.visual_tokens != GRID_CELLS**2:
        raise InputError(
            f"games: this model needs layout: grid with {eyes.picture // eyes.patch} cells a side, "
            f"but this is {games.layout} with {GRID_CELLS}; use the recipe tiny or smollm2"
        )
    if (games.width, games.height) != (eyes.picture, eyes.picture):
        raise InputError(
            f"games: pictures are {games.width}×{games.height}, but this model sees {eyes.picture}×{eyes.picture}; "
            f"set games.width and games.height to {eyes.picture}"
        )


def write_albums(path: Path, *albums: Album) -> None:
    """Albums in one file."""
    arrays: dict[str, NDArray[Any]] = {}
    for number, album in enumerate(albums):
        arrays[f"pictures {number}"] = album.pictures
        arrays[f"cells {number}"] = np.array([[thing or ("", "", "") for thing in view.cells] for view in album.views])
    temporary = path.with_suffix(".new.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    replace_file(temporary, path)


def read_albums(path: Path) -> tuple[Album, Album]:
    """The two albums that `write_albums` wrote."""
    with np.load(path) as file:
        first, second = (_album(file[f"pictures {number}"], file[f"cells {number}"]) for number in (0, 1))
    return first, second


def _album(pictures: NDArray[np.uint8], cells: NDArray[np.str_]) -> Album:
    views = [
        View(row, tuple(Thing(*map(str, thing)) if thing[0] else None for thing in held))
        for row, held in enumerate(cells)
    ]
    return Album([Pair(*views[row : row + 2]) for row in range(0, len(views), 2)], pictures)


def draw_album(games: Games, numbers: range, *, seed: int, processes: int, progress: Progress | None = None) -> Album:
    """The pairs with these numbers, drawn and rendered; the same whatever the number of processes."""
    drawn: dict[int, tuple[Drawn, Drawn]] = {}

    def on_done(chunk: Sequence[int], both: Sequence[tuple[Drawn, Drawn]]) -> None:
        drawn.update(zip(chunk, both, strict=True))
        (progress or Silent()).advance(len(chunk))

    chunks = [numbers[first : first + _CHUNK] for first in range(0, len(numbers), _CHUNK)]
    work_through(partial(_draw_pair, with_renderer(games), seed), chunks, processes, on_done)
    both = [drawn[number] for number in numbers]
    pairs = [Pair(View(2 * row, one[1]), View(2 * row + 1, other[1])) for row, (one, other) in enumerate(both)]
    return Album(pairs, np.stack([picture for pair in both for picture, _ in pair]))


def _draw_pair(games: Games, seed: int, number: int) -> tuple[Drawn, Drawn]:
    dice = rng(seed, "init-model", "scene", number)
    scene = sample_scene(games, dice, name=f"lesson-{number:06d}", index=number)
    modified, _ = change_objects(scene, games.changes, games.change_attributes, dice)
    light = derive(seed, "init-model", "render", number)
    effort = effort_of(games)
    one, other = ((render(each, effort, light), cells_of(each, GRID_CELLS)) for each in (scene, modified))
    return one, other


def cells_of(scene: Scene, cells: int) -> tuple[Thing | None, ...]:
    """What is in each cell in reading order, None where a cell is empty."""
    found: list[Thing | None] = [None] * cells**2
    where = project([item.coords for item in scene.objects], scene.camera, scene.width, scene.height)
    for item, (x, y, *_) in zip(scene.objects, where, strict=True):
        row, column = int(y * cells / scene.height), int(x * cells / scene.width)
        found[row * cells + column] = Thing(item.color, item.shape, item.material)
    return tuple(found)
