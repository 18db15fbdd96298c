"""Every kind of bad scene file: one clear message that names the file, and nothing half-written."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from stages.core import tables
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


CAMERA = {"position": [7, -6, 5], "fov": 49, "width": 72, "height": 72}


def vz_scene_with(value: Any, key: str) -> Edit:
    """A scene that names its camera, as vz's own do, with something else that is off."""

    def edit(scene: dict[str, Any]) -> None:
        scene |= {"camera": CAMERA, key: value}

    return edit


BAD_SCENES: dict[str, tuple[Edit, str]] = {
    "no objects at all": (without("objects"), "objects: Field required"),
    "zero objects": (having([], "objects"), r"objects is \[\]: .* at least 1 item"),
    "objects are no list": (having({}, "objects"), "objects is {}: Input should be a valid list"),
    "an object is a number": (having(7, "objects", 1), r"objects\.1 is 7"),
    "no coordinates": (without("objects", 1, "3d_coords"), r"objects\.1\.3d_coords: Field required"),
    "two coordinates": (having([1, 2], "objects", 0, "3d_coords"), r"objects\.0\.3d_coords is \[1, 2\]"),
    "a coordinate is text": (having(["1", 2, 0.7], "objects", 0, "3d_coords"), r"3d_coords\.0 is '1': .*valid number"),
    "a coordinate is not finite": (having([1, 1e999, 0.7], "objects", 0, "3d_coords"), r"3d_coords\.1 is inf"),
    "below the ground": (having([1, 2, -0.7], "objects", 0, "3d_coords"), "above the ground"),
    "no pixel coordinates": (without("objects", 0, "pixel_coords"), "no 'pixel_coords'"),
    "no rotation": (without("objects", 0, "rotation"), r"objects\.0\.rotation: Field required"),
    "no colour": (without("objects", 1, "color"), r"objects\.1\.color: Field required"),
    "an unknown shape": (
        having("cone", "objects", 1, "shape"),
        r"shape is 'cone': Input should be 'cube', 'sphere' or",
    ),
    "an unknown size": (having("medium", "objects", 1, "size"), "size is 'medium'"),
    "an unknown colour": (having("pink", "objects", 1, "color"), "color is 'pink'"),
    "an unknown material": (having("wood", "objects", 1, "material"), "material is 'wood'"),
    "two objects in one place": (
        having([1.05, -1.0, 0.35], "objects", 1, "3d_coords"),
        "objects 0 and 1 stand in the same place",
    ),
    "too few objects": (without("objects", 1), "has 1 objects, but 2 must change; set games.changes=1"),
    "a rotation beyond numbers": (having(10**400, "objects", 0, "rotation"), r"rotation is 1000"),
    "a coordinate beyond the ground": (
        having([1e9, 0, 0.7], "objects", 0, "3d_coords"),
        "less than or equal to 100000",
    ),
    "too many objects": (having([{}] * 101, "objects"), "at most 100 items"),
    "half a character": (having("\ud800", "split"), "not valid JSON"),
    "an index that is text": (having("first", "image_index"), "image_index is 'first'"),
    "an infinite index": (having(1e999, "image_index"), "image_index is inf"),
    "a camera in the origin": (having({**CAMERA, "position": [0, 0, 0]}, "camera"), "no camera can look from"),
    "a camera right above": (having({**CAMERA, "position": [0, 0, 9]}, "camera"), "no camera can look from"),
    "a picture of gigabytes": (having({**CAMERA, "width": 20_000}, "camera"), r"camera\.width is 20000: .* 4096"),
    "a picture of no size": (having({**CAMERA, "height": -5}, "camera"), r"camera\.height is -5"),
    "a lens of no angle": (having({**CAMERA, "fov": 0}, "camera"), r"camera\.fov is 0"),
    "a camera that is a number": (having(3, "camera"), "camera is 3"),
    "lights that are a list": (vz_scene_with([1], "lights"), r"lights is \[1\]"),
    "a light that is unknown": (vz_scene_with({"moon": [0, 0, 0]}, "lights"), "lights.moon"),
}

BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not valid JSON"),
    "cut off": (json.dumps({"scenes": [GOOD]}).encode()[:-30], "not valid JSON at character 12"),
    "a list": (b"[]", "must be a CLEVR"),
    "no list of scenes": (b'{"scenes": {"a": 1}}', "objects: Field required"),
    "no scene": (b'{"info": {}, "scenes": []}', "'scenes' is empty"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(40), "cannot be read as UTF-8"),
    "UTF-16": (json.dumps({"scenes": [GOOD]}).encode("utf-16"), "cannot be read as UTF-8"),
    "a number for a scene": (b'{"scenes": [3]}', "must be a CLEVR"),
    "nested too deep": (b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not valid JSON"),
    "a number too long": (b'{"scenes": [{"image_index": ' + b"9" * 5000 + b"}]}", "not valid JSON at character 12"),
    "one name twice": (json.dumps({"scenes": [GOOD, GOOD]}).encode(), "scene good: has the name of .*scene good"),
}
ODD_NAMES = ["../../..", "a\0b.png", "<img src=x>\n.png", "a" * 300 + ".png"]


def make(file: Path, tmp_path: Path, *more: str) -> None:
    settings = ["games.renderer=scalar", "games.samples=1", "games.denoise=false", "games.pairs=5"]
    run(load("tiny", [*settings, *more]), tmp_path / "games", sources=Sources(scenes=file), processes=1)


@pytest.mark.parametrize("kind", BAD_SCENES)
def test_a_bad_scene_is_named_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    edit, message = BAD_SCENES[kind]
    scene = deepcopy(GOOD)
    edit(scene)
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps({"scenes": [{**GOOD, "image_filename": "first.png"}, scene]}))
    with pytest.raises(InputError, match=message) as told:
        make(file, tmp_path, "games.strict=true")
    assert "scenes.json" in str(told.value)
    assert not (tmp_path / "games").exists()


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_and_nothing_is_written(tmp_path: Path, kind: str) -> None:
    data, message = BAD_FILES[kind]
    file = tmp_path / "scenes.json"
    file.write_bytes(data)
    with pytest.raises(InputError, match=message) as told:
        make(file, tmp_path, "games.strict=true")
    assert "scenes.json" in str(told.value)
    assert [path.name for path in tmp_path.iterdir()] == ["scenes.json"]


def test_bad_scenes_among_good_ones_are_skipped_with_their_reasons(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    folder = tmp_path / "scenes"
    folder.mkdir()
    for name, scene in (("good", GOOD), ("empty", {**GOOD, "objects": []})):
        (folder / f"{name}.json").write_text(json.dumps(scene))
    (folder / "broken.json").write_text("{")
    make(folder, tmp_path)
    assert tables.read(tmp_path / "games/pairs.parquet", tables.PAIRS)["pair_id"].to_list() == ["good"]
    rows = tables.read(tmp_path / "games/skipped.parquet", tables.SKIPPED).to_dicts()
    assert sorted((row["pair_id"], row["reason"]) for row in rows) == [("broken", "bad scene"), ("empty", "bad scene")]


def test_names_that_no_file_can_have_are_mended(tmp_path: Path) -> None:
    from stages.core.recipe import load
    from stages.make_games.clevr import given

    scenes = [{**GOOD, "image_filename": name} for name in ODD_NAMES]
    (tmp_path / "scenes.json").write_text(json.dumps({"scenes": scenes}))
    names = [pair.pair_id for pair in given.plan(load("paper-v1", ["games.renderer=scalar"]), tmp_path).pairs]
    assert len(set(names)) == len(ODD_NAMES) and all(len(name) <= 200 and "/" not in name for name in names)


def test_a_scene_that_no_camera_sees_is_skipped_with_its_reason(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="extra 'render' is not installed")
    bad = deepcopy(GOOD)
    bad["objects"][0]["pixel_coords"] = [5, 5, 9.0]
    scenes = [{**GOOD, "image_filename": "first.png"}, {**bad, "image_filename": "second.png"}]
    file = tmp_path / "scenes.json"
    file.write_text(json.dumps({"scenes": scenes}))
    make(file, tmp_path)
    rows = tables.read(tmp_path / "games/skipped.parquet", tables.SKIPPED).to_dicts()
    assert [(row["pair_id"], row["reason"]) for row in rows] == [("second", "no camera fits")]
    assert "no CLEVR camera sees the objects" in rows[0]["detail"]
    assert tables.read(tmp_path / "games/pairs.parquet", tables.PAIRS)["pair_id"].to_list() == ["first"]


@pytest.mark.parametrize("place", [[7.481131553649902, -6.5076398849487305, 5.34366512298584], [1e5, -1e5, 1e5]])
def test_an_object_in_the_cameras_place_is_no_crash(tmp_path: Path, place: list[float]) -> None:
    from stages.core.clevr.given import NoCamera, picture_sizes, read_scene, scenes_in

    scene = deepcopy(GOOD)
    scene["objects"][0]["3d_coords"] = place
    (tmp_path / "one.json").write_text(json.dumps(scene))
    [found] = scenes_in(tmp_path / "one.json")
    with pytest.raises(NoCamera, match="no CLEVR camera sees the objects"):
        read_scene(found, picture_sizes([found])[found.file], Lights())


def test_a_folder_without_scenes_is_named(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    with pytest.raises(InputError, match="scenes: contains no .json file"):
        make(tmp_path / "scenes", tmp_path)


def test_the_good_scene_is_good(tmp_path: Path) -> None:
    from stages.core.clevr.given import read_scene, scenes_in

    file = tmp_path / "good.json"
    file.write_text(json.dumps(GOOD))
    [found] = scenes_in(file)
    assert read_scene(found, (480, 320), Lights()).objects == (BALL, CUBE)
