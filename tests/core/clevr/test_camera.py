"""The camera: projection, casting back, and recovery from genuine scenes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.core.clevr.camera import on_plane, project
from stages.core.clevr.given import picture_sizes, read_scene, scenes_in
from stages.core.clevr.recover import recover_camera
from stages.core.clevr.relations import directions, relationships
from stages.core.clevr.scene import CAMERA_POSITION, Camera, Lights
from stages.core.clevr.scene_json import from_json, to_json
from stages.core.errors import InputError

GENUINE = [
    ("clevr_v1_scene_literal/CLEVR_val_000000.json", (480, 320)),
    ("clevr_gen_bpiyush/scenes/CLEVR_new_000000.json", (320, 240)),
    ("clevr_gen_bpiyush/CLEVR_scenes.json", (320, 240)),
    *(
        (f"clevr_parser_1obj_2obj/{number}obj/scenes/CLEVR_{split}_scenes.json", (320, 240))
        for number in (1, 2)
        for split in ("train", "val", "test")
    ),
]
JITTER = st.floats(-0.5, 0.5)
SPOT = st.tuples(st.floats(-3, 3), st.floats(-3, 3), st.sampled_from([0.35, 0.7]))


def test_the_origin_is_seen_in_the_middle() -> None:
    x, y, depth = project([(0.0, 0.0, 0.0)], Camera(), 480, 320)[0]
    assert (x, y) == pytest.approx((240, 160))
    assert depth == pytest.approx(np.linalg.norm(CAMERA_POSITION))


def test_one_unit_across_ten_units_away_is_a_tenth_of_the_focal_length() -> None:
    camera = Camera(position=(0.0, -10.0, 0.0))
    x, y, depth = project([(1.0, 0.0, 1.0)], camera, 480, 320)[0]
    # 35 mm lens, 32 mm sensor: 480 * 35 / 32 = 525 pixels
    assert (x, y, depth) == pytest.approx((240 + 52.5, 160 - 52.5, 10.0))


@given(spot=SPOT, jitter=st.tuples(JITTER, JITTER, JITTER))
def test_casting_back_undoes_projection(spot: tuple[float, float, float], jitter: tuple[float, float, float]) -> None:
    x, y, z = (base + shift for base, shift in zip(CAMERA_POSITION, jitter, strict=True))
    camera = Camera((x, y, z))
    column, row, _ = project([spot], camera, 480, 320)[0]
    assert on_plane((column, row), spot[2], camera, 480, 320) == pytest.approx(spot, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(spots=st.lists(SPOT, min_size=1, max_size=6), jitter=st.tuples(JITTER, JITTER, JITTER))
def test_the_recovered_camera_sees_every_object_within_the_rounding(
    spots: list[tuple[float, float, float]], jitter: tuple[float, float, float]
) -> None:
    x, y, z = (base + shift for base, shift in zip(CAMERA_POSITION, jitter, strict=True))
    seen = project(spots, Camera((x, y, z)), 480, 320)
    rounded = np.concatenate([seen[:, :2].round(), seen[:, 2:].astype(np.float32)], axis=1)
    found = recover_camera(spots, rounded.tolist(), (480, 320))
    assert found.residual <= 0.51


@pytest.mark.parametrize(("name", "size"), GENUINE)
def test_genuine_cameras_are_recovered(shared_data: Callable[[str], Path], name: str, size: tuple[int, int]) -> None:
    scenes = list(scenes_in(shared_data(name)))
    sizes = picture_sizes(scenes)
    assert set(sizes.values()) == {size}
    for found in scenes:
        scene = read_scene(found, size, Lights())
        written = to_json(scene)["objects"]
        for ours, theirs in zip(written, found.body["objects"], strict=True):
            assert ours["pixel_coords"][:2] == theirs["pixel_coords"][:2]
            assert ours["pixel_coords"][2] == pytest.approx(theirs["pixel_coords"][2], abs=1e-4)
            assert {key: ours[key] for key in ours if key != "pixel_coords"} == {
                key: theirs[key] for key in theirs if key != "pixel_coords"
            }


@pytest.mark.parametrize(("name", "size"), GENUINE)
def test_relations_are_those_of_the_genuine_file(
    shared_data: Callable[[str], Path], name: str, size: tuple[int, int]
) -> None:
    for found in scenes_in(shared_data(name)):
        scene = read_scene(found, size, Lights())
        assert relationships(scene.objects, scene.viewpoint) == found.body["relationships"]
        for way, vector in found.body["directions"].items():
            assert directions(scene.viewpoint)[way] == pytest.approx(vector, abs=1e-6)


def test_the_size_of_small_pictures_follows_from_their_coordinates(shared_data: Callable[[str], Path]) -> None:
    file = shared_data("clevr_gen_eporte2_lowres/scenes/CLEVR_new_000000_128_128.json")
    scenes = list(scenes_in(file))
    assert picture_sizes(scenes, [(64, 64), (128, 128)]) == {file: (128, 128)}


def test_a_wrong_picture_size_is_refused(shared_data: Callable[[str], Path]) -> None:
    [found] = scenes_in(shared_data("clevr_v1_scene_literal/CLEVR_val_000000.json"))
    with pytest.raises(InputError, match=r"CLEVR_val_000000.*no CLEVR camera .*320x240.*games\.width"):
        read_scene(found, (320, 240), Lights())


def test_a_scene_survives_being_written_and_read(shared_data: Callable[[str], Path]) -> None:
    [found] = scenes_in(shared_data("clevr_v1_scene_literal/CLEVR_val_000000.json"))
    scene = replace(read_scene(found, (480, 320), Lights(key=(0.5, 0.25, -1.0))), name="again")
    assert from_json(to_json(scene), "here") == scene
