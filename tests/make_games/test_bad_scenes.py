"""Every kind of bad scene file: one clear message that names the file, and nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from stages.core.clevr import Lights, Scene, SceneObject
from stages.core.clevr.scene_json import to_json
from stages.core.errors import InputError
from stages.core.recipe import load
from stages.make_games import Sources, run

BALL = SceneObject("sphere", "large", "red", "metal", 10.0, (1.0, -1.0, 0.7))
CUBE = SceneObject("cube", "small", "blue", "rubber", 20.0, (-1.0, 1.0, 0.35))
GOOD = {key: value for key, value in to_json(Scene((BALL, CUBE), 480, 320, name="good")).items() if key != "camera"}

Edit = Callable[[dict[str, Any]], Any]


def without(*path: Any) -> Edit:
    def edit(scene: dict[str, Any]) -> None:
        inner: Any = scene
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]

    return edit


def having(value: Any, *path: Any) -> Edit:
    def edit(scene: dict[str, Any]) -> None:
        inner: Any = scene
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value

    return edit


BAD_SCENES: dict[str, tuple[Edit, str]] = {
    "no objects at all": (without("objects"), "holds no list 'objects'"),
    "zero objects": (having([], "objects"), "holds no list 'objects'"),
    "objects are no list": (having({}, "objects"), "holds no list 'objects'"),
    "an object is a number": (having(7, "objects", 1), "object 1: is not an object"),
    "no coordinates": (without("objects", 1, "3d_coords"), "object 1: '3d_coords' is missing"),
    "two coordinates": (having([1, 2], "objects", 0, "3d_coords"), "object 0: '3d_coords' is"),
    "a coordinate is text": (having(["1", 2, 0.7], "objects", 0, "3d_coords"), "three finite numbers"),
    "a coordinate is not finite": (having([1, 1e999, 0.7], "objects", 0, "3d_coords"), "three finite numbers"),
    "below the ground": (having([1, 2, -0.7], "objects", 0, "3d_coords"), "above the ground"),
    "no pixel coordinates": (without("objects", 0, "pixel_coords"), "'pixel_coords' is missing"),
    "no rotation": (without("objects", 0, "rotation"), "'rotation' is None"),
    "no colour": (without("objects", 1, "color"), "'color' is missing"),
    "an unknown shape": (having("cone", "objects", 1, "shape"), "unknown shape 'cone'; CLEVR v1.0 knows cube"),
    "an unknown size": (having("medium", "objects", 1, "size"), "unknown size 'medium'"),
    "an unknown colour": (having("pink", "objects", 1, "color"), "unknown color 'pink'"),
    "an unknown material": (having("wood", "objects", 1, "material"), "unknown material 'wood'"),
    "Super-CLEVR": (having("checkered", "objects", 0, "texture"), "as Super-CLEVR's have"),
    "two objects in one place": (
        having([1.05, -1.0, 0.35], "objects", 1, "3d_coords"),
        "objects 0 and 1 stand in one place",
    ),
    "too few objects": (without("objects", 1), "objects in the scene: 1, but 2 are to change"),
    "another camera": (having([5, 5, 9.0], "objects", 0, "pixel_coords"), "no camera of CLEVR's sees the objects"),
}

BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not valid JSON at byte 0"),
    "cut off": (json.dumps({"scenes": [GOOD]}).encode()[:-30], "the file may be cut off"),
    "a list": (b"[]", "'{' is missing"),
    "no list of scenes": (b'{"scenes": {"a": 1}}', "'\\[' is missing"),
    "no scene": (b'{"info": {}, "scenes": []}', "'scenes' is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "not valid JSON at byte 0"),
    "UTF-16": (json.dumps({"scenes": [GOOD]}).encode("utf-16"), "not valid JSON at byte 0"),
    "a number for a scene": (b'{"scenes": [3]}', "holds no list 'objects'"),
    "one name twice": (json.dumps({"scenes": [GOOD, GOOD]}).encode(), "has the same name as"),
}


def make(file: Path, tmp_path: Path) -> None:
    settings = ["games.renderer=scalar", "games.samples=1", "games.pairs=5"]
    run(load("tiny", settings), tmp_path / "games", sources=Sources(scenes=file), processes=1)


@pytest.mark.parametrize("kind", BAD_SCENES)
def test_a_bad_scene_is_named_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    edit, message = BAD_SCENES[kind]
    scene = deepcopy(GOOD)
    edit(scene)
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps({"scenes": [{**GOOD, "image_filename": "first.png"}, scene]}))
    with pytest.raises(InputError, match=message) as told:
        make(file, tmp_path)
    assert "scenes.json" in str(told.value)
    assert not (tmp_path / "games").exists()


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    data, message = BAD_FILES[kind]
    file = tmp_path / "scenes.json"
    file.write_bytes(data)
    with pytest.raises(InputError, match=message) as told:
        make(file, tmp_path)
    assert "scenes.json" in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["scenes.json"]


def test_a_folder_without_scenes_is_named(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    with pytest.raises(InputError, match="scenes: holds no .json file"):
        make(tmp_path / "scenes", tmp_path)


def test_the_good_scene_is_good(tmp_path: Path) -> None:
    from stages.core.clevr.given import find_scenes, read_scene

    file = tmp_path / "good.json"
    file.write_text(json.dumps(GOOD))
    [(found, _)] = find_scenes(file)
    assert read_scene(found, (480, 320), Lights()).objects == (BALL, CUBE)
