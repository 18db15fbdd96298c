"""The spy's scene, and reading scenes that are not as they should be."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.clevr import change_objects, sample_scene
from stages.core.clevr.given import find_scenes
from stages.core.clevr.scene_json import objects_from_json
from stages.core.errors import InputError
from stages.core.recipe.games import Games

GRID = Games(layout="grid", objects_min=3, objects_max=5)
OBJECT: dict[str, Any] = {
    "shape": "cube",
    "size": "large",
    "color": "red",
    "material": "metal",
    "rotation": 12.5,
    "3d_coords": [0.0, 0.0, 0.7],
    "pixel_coords": [240, 140, 11.0],
}


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
    with pytest.raises(InputError, match=r"lonely: objects in the scene: 1, but 2 are to change"):
        change_objects(scene, 2, ("color",), Random(0))


def test_an_attribute_without_another_value_is_refused() -> None:
    scene = sample_scene(Games(layout="grid", colors=("red",)), Random(0))
    with pytest.raises(InputError, match=r"color 'red' has no other value.*games\.colors"):
        change_objects(scene, 2, ("color",), Random(0), {"color": ("red",)})


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        ({"shape": "cone"}, "object 0: unknown shape 'cone'; CLEVR v1.0 knows cube, sphere, cylinder"),
        ({"color": "pink"}, "object 0: unknown color 'pink'"),
        ({"material": "glass"}, "object 0: unknown material 'glass'"),
        ({"size": "medium"}, "object 0: unknown size 'medium'"),
        ({"3d_coords": None}, "object 0: '3d_coords' is None"),
        ({"3d_coords": [0.0, float("nan"), 0.7]}, "three finite numbers"),
        ({"3d_coords": [0.0, 0.0, 0.0]}, "height 0.0"),
        ({"rotation": "half"}, "'rotation' is 'half'"),
        ({"shape": "car", "texture": "none"}, "Super-CLEVR"),
    ],
)
def test_bad_objects_are_named(broken: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        objects_from_json({"objects": [{**OBJECT, **broken}]}, "file.json")
    assert str(caught.value).startswith("file.json: object 0")
    assert message in str(caught.value)


@pytest.mark.parametrize("key", ["shape", "size", "color", "material", "3d_coords"])
def test_a_missing_key_is_named(key: str) -> None:
    body = {name: value for name, value in OBJECT.items() if name != key}
    with pytest.raises(InputError, match=f"object 0: '{key}' is missing"):
        objects_from_json({"objects": [body]}, "file.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ('{"scenes": []}', "'scenes' is empty"), ('{"info": 1}', "holds no list 'objects'")],
)
def test_bad_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "scenes.json"
    file.write_text(text)
    with pytest.raises(InputError, match=rf"{file}.*{message}"):
        objects_from_json(next(find_scenes(file))[1], str(file))


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    scene = {"objects": [OBJECT], "image_filename": "one.png"}
    (tmp_path / "merged.json").write_text(json.dumps({"scenes": [scene]}))
    (tmp_path / "one.json").write_text(json.dumps(scene))
    with pytest.raises(InputError, match="same name"):
        list(find_scenes(tmp_path))
