"""Placement by CLEVR's rules, and in the cells of the grid."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.core.clevr import Scene, SceneObject, placement, sample_scene
from stages.core.clevr.camera import project
from stages.core.clevr.scene import CAMERA_POSITION
from stages.core.clevr.visibility import visible_pixels
from stages.core.errors import InputError
from stages.core.recipe.games import Games

SEEDS = st.integers(0, 2**48 - 1)
RADIUS = {"large": 0.7, "small": 0.35}
# left-right and front-behind of CLEVR's own files
RIGHT, BEHIND = (0.6563112735748291, 0.7544902563095093), (-0.754490315914154, 0.6563112735748291)


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS)
def test_free_placement_keeps_clevr_rules(seed: int) -> None:
    scene = sample_scene(Games(), Random(seed))
    assert 4 <= len(scene.objects) <= 6
    for item in scene.objects:
        assert item.coords[2] == RADIUS[item.size]
        assert max(abs(item.coords[0]), abs(item.coords[1])) <= 3
        assert 0 <= item.rotation <= 360
    for one, other in itertools.combinations(scene.objects, 2):
        across, along = one.coords[0] - other.coords[0], one.coords[1] - other.coords[1]
        assert math.hypot(across, along) - one.coords[2] - other.coords[2] >= 0.25
        for way in (RIGHT, BEHIND):
            assert abs(across * way[0] + along * way[1]) >= 0.4 - 1e-6
    assert max(abs(a - b) for a, b in zip(scene.camera.position, CAMERA_POSITION, strict=True)) <= 0.5
    lamps = (*scene.lights.key, *scene.lights.fill, *scene.lights.back)
    assert max(abs(part) for part in lamps) <= 1
    assert min(visible_pixels(scene)) >= 200


@settings(max_examples=50, deadline=None)
@given(seed=SEEDS)
def test_grid_objects_stand_in_the_middle_of_different_cells(seed: int) -> None:
    games = Games(layout="grid", width=72, height=72, sizes=("large",), objects_min=3, objects_max=9)
    scene = sample_scene(games, Random(seed))
    pixels = project([item.coords for item in scene.objects], scene.camera, 72, 72)[:, :2]
    cells = [(int(y // 24), int(x // 24)) for x, y in pixels]
    assert len(set(cells)) == len(cells)
    assert cells == sorted(cells)  # reading order
    assert np.abs(pixels % 24 - 12).max() <= 2.4 + 1e-6


def test_the_same_seed_draws_the_same_scene() -> None:
    assert sample_scene(Games(), Random(5)) == sample_scene(Games(), Random(5))
    assert sample_scene(Games(), Random(5)) != sample_scene(Games(), Random(6))


def test_sizes_and_materials_follow_the_recipe() -> None:
    games = Games(sizes=("small",), materials=("metal",), colors=("red", "blue"), shapes=("cube",))
    for item in sample_scene(games, Random(1)).objects:
        assert (item.size, item.material, item.shape) == ("small", "metal", "cube")
        assert item.color in {"red", "blue"}


def test_an_impossible_scene_ends_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "MOST_STARTS", 3)
    games = Games(objects_min=60, objects_max=60)
    with pytest.raises(InputError, match=r"no room for 60 objects.*games\.objects_max"):
        sample_scene(games, Random(0))


def test_more_objects_than_cells_is_refused() -> None:
    with pytest.raises(ValidationError, match="above the grid's 9 cells"):
        Games(layout="grid", objects_max=10)


def test_a_hidden_object_shows_no_pixels() -> None:
    front = SceneObject("cube", "large", "red", "rubber", 0.7, (0.0, 0.0, 0.7))
    # on the line of sight behind it, as seen from the camera
    direction = -np.asarray(CAMERA_POSITION) / np.linalg.norm(CAMERA_POSITION)
    behind = SceneObject("sphere", "small", "blue", "metal", 0.0, (2 * direction[0], 2 * direction[1], 0.35))
    front_pixels, behind_pixels = visible_pixels(Scene((front, behind), 480, 320))
    assert front_pixels > 1000
    assert behind_pixels < 50


def test_a_sphere_shows_the_pixels_of_its_circle() -> None:
    ball = SceneObject("sphere", "large", "red", "rubber", 0.0, (0.0, 0.0, 0.7))
    [counted] = visible_pixels(Scene((ball,), 320, 240))
    away = float(np.linalg.norm(np.subtract(CAMERA_POSITION, ball.coords)))
    radius = 350 * 0.7 / math.sqrt(away**2 - 0.7**2)  # 350 pixels: 320 * 35 / 32
    assert counted == pytest.approx(math.pi * radius**2, rel=0.02)
