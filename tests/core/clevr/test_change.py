"""The spy's scene: what changes in it, and what stays."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.clevr import change_objects, sample_scene
from stages.core.errors import InputError
from stages.core.recipe.games import Games

GRID = Games(layout="grid", objects_min=3, objects_max=5)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_two_objects_change_in_colour_and_shape_alone(seed: int) -> None:
    scene = sample_scene(GRID, Random(seed))
    modified, changes = change_objects(scene, 2, ("color", "shape"), Random(seed + 1))
    assert replace(modified, objects=scene.objects) == scene
    differing = [n for n, (a, b) in enumerate(zip(scene.objects, modified.objects, strict=True)) if a != b]
    assert len(differing) == 2
    for number in differing:
        before, after = scene.objects[number], modified.objects[number]
        assert before.color != after.color
        assert before.shape != after.shape
        assert replace(after, color=before.color, shape=before.shape) == before
    log = [(change.object, change.attribute, change.before, change.after) for change in changes]
    assert log == [
        (number, name, getattr(scene.objects[number], name), getattr(modified.objects[number], name))
        for number in differing
        for name in ("color", "shape")
    ]


def test_too_few_objects_names_the_scene() -> None:
    scene = replace(sample_scene(Games(layout="grid", objects_min=1, objects_max=1), Random(0)), name="lonely")
    with pytest.raises(InputError, match=r"lonely: objects in the scene: 1, but 2 must change"):
        change_objects(scene, 2, ("color",), Random(0))


def test_an_attribute_without_another_value_is_refused() -> None:
    scene = sample_scene(Games(layout="grid", colors=("red",)), Random(0))
    with pytest.raises(InputError, match=r"color 'red' has no other value.*games\.colors"):
        change_objects(scene, 2, ("color",), Random(0), {"color": ("red",)})
