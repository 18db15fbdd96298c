"""A flat-coloured stand-in for rendered pictures, so that these tests need neither Mitsuba nor minutes."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from stages.core.clevr.vocabulary import COLORS
from stages.core.recipe.game import Game
from stages.init_model.compact import THINGS
from stages.init_model.lessons import Pair, Thing, View
from stages.init_model.pictures import Album
from stages.init_model.plan import TINY, Course, Teaching

CELL = 24


@pytest.fixture
def rules() -> Game:
    return Game(players=4, clue_rounds=2, prompts="compact", own_thoughts=False)


@pytest.fixture
def plan() -> Teaching:
    """A minute's teaching cut to seconds."""
    return Teaching(
        look=Course(steps=12, rate=2e-3),
        see=replace(TINY.see, steps=12, rate=2e-3),
        vote=replace(TINY.vote, steps=4),
        settle=replace(TINY.settle, steps=2, rate=1e-3),
        batch=16,
        look_batch=32,
        measure_every=2,
    )


@pytest.fixture
def album() -> Album:
    dice = random.Random(7)
    pairs, pictures = [], []
    for number in range(24):
        cells: list[Thing | None] = [None] * 9
        for cell, thing in zip(dice.sample(range(9), 4), dice.sample(THINGS, 4), strict=True):
            cells[cell] = Thing(*thing.split())
        changed = list(cells)
        for cell in [cell for cell, thing in enumerate(cells) if thing][:2]:
            changed[cell] = Thing(
                *dice.choice([thing for thing in THINGS if Thing(*thing.split()) not in cells]).split()
            )
        pairs.append(Pair(View(2 * number, tuple(cells)), View(2 * number + 1, tuple(changed))))
        pictures += [paint(tuple(cells)), paint(tuple(changed))]
    return Album(pairs, np.stack(pictures))


def paint(cells: tuple[Thing | None, ...]) -> np.ndarray:
    """A picture [72, 72, 3] with one block a cell: the colour is the thing's, the block's width tells its shape."""
    picture = np.full((3 * CELL, 3 * CELL, 3), 150, dtype=np.uint8)
    for cell, thing in enumerate(cells):
        if thing is not None:
            top, left = cell // 3 * CELL, cell % 3 * CELL
            width = {"cube": 20, "sphere": 14, "cylinder": 8}[thing.shape]
            picture[top + 2 : top + 22, left + 2 : left + 2 + width] = COLORS[thing.color]
    return picture
