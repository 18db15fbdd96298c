"""The tracer against Mitsuba: its materials' formulas, and whole pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("mitsuba", reason="extra 'render' is not installed")

from stages.core.clevr import Scene, SceneObject
from stages.core.clevr.effort import PRESETS, Effort
from stages.core.clevr.llvm import usable_llvm
from stages.core.clevr.mitsuba_scene import GROUND_REFLECTANCE, describe, load_mitsuba, material
from stages.core.clevr.rendering import owners, render
from stages.core.clevr.vocabulary import COLORS

if usable_llvm() is None:
    pytest.skip("no LLVM library works here", allow_module_level=True)

SCENE = Scene(
    (
        SceneObject("sphere", "large", "cyan", "metal", 0.0, (0.5, 0.5, 0.7)),
        SceneObject("cube", "large", "red", "metal", 0.6, (-1.5, -1.6, 0.7)),
        SceneObject("cylinder", "small", "yellow", "rubber", 0.0, (1.6, -1.2, 0.35)),
        SceneObject("sphere", "small", "gray", "rubber", 0.0, (-1.2, 1.6, 0.35)),
    ),
    96,
    64,
)
QUICK = Effort(2, "llvm", metal=2, photons=256, denoiser=None)


@pytest.fixture(scope="module")
def truth() -> NDArray[np.float32]:
    """Mitsuba's own integrator, many samples."""
    mitsuba = load_mitsuba()
    loaded = mitsuba.load_dict(describe(SCENE), parallel=False, optimize=False)
    return np.asarray(mitsuba.render(loaded, spp=400, seed=1), dtype=np.float32)


def traced(photons: int = 1 << 15) -> NDArray[np.float32]:
    from stages.core.clevr import tracer

    light: NDArray[np.float32] = tracer.trace(SCENE, samples=400, metal=0, photons=photons, seed=2).light
    return light


def blurred(light: NDArray[np.float32], size: int = 8) -> NDArray[np.float32]:
    height, width, _ = light.shape
    blocks = light.reshape(height // size, size, width // size, size, 3)
    return np.asarray(blocks.mean(axis=(1, 3)))


@pytest.mark.slow
def test_the_light_is_mitsuba_s(truth: NDArray[np.float32]) -> None:
    apart = blurred(traced()) - blurred(truth)
    assert np.abs(apart).max() < 0.012
    assert abs(apart.mean()) < 0.0007  # of a mean of 0.2


def test_without_photons_the_caustics_would_be_missing(truth: NDArray[np.float32]) -> None:
    lost = blurred(truth) - blurred(traced(photons=0))
    assert lost.max() > 0.03


def test_pictures_agree(truth: NDArray[np.float32]) -> None:
    from stages.core.clevr.rendering import to_srgb

    ours = render(SCENE, PRESETS["llvm"]["standard"], 5).astype(float)
    assert 10 * np.log10(255**2 / ((ours - to_srgb(truth)) ** 2).mean()) > 33  # the reference has grain at outlines


@pytest.mark.parametrize(("kind", "color"), [("rubber", "red"), ("metal", "yellow")])
def test_materials_reflect_as_mitsuba_s(kind: str, color: str) -> None:
    from stages.core.clevr.tracer import backend, geometry, materials

    ways = np.random.default_rng(1).normal(size=(2, 300, 3))
    ways[..., 2] = np.abs(ways[..., 2]) + 0.2
    view, light = ways / np.linalg.norm(ways, axis=-1, keepdims=True)
    mitsuba = load_mitsuba()
    surface, told = material(kind, color), []
    for one, other in zip(view, light, strict=True):
        at = mitsuba.SurfaceInteraction3f()
        at.wi = mitsuba.Vector3f(*one)
        told.append(np.asarray(surface.eval(mitsuba.BSDFContext(), at, mitsuba.Vector3f(*other))))
    with backend.vectorised():
        materials.transmission_table()
        flat = backend.Vector(0, 0, 1)
        number = geometry.RUBBER if kind == "rubber" else geometry.METAL
        tint = backend.Color(*(part / 255 for part in COLORS[color]))
        hit = geometry.Hit(True, flat, flat, flat, None, backend.UInt(number), tint)
        ours = materials.eval_bsdf(hit, *(backend.Vector(*each.T.astype(np.float32)) for each in (view, light)))
    np.testing.assert_allclose(np.asarray(ours).T, np.asarray(told), rtol=0.01, atol=1e-4)


def test_inside_an_object_the_guide_is_its_tint() -> None:
    from stages.core.clevr import tracer

    large = replace(SCENE, width=192, height=128)
    guide = tracer.trace(large, samples=2, metal=2, photons=0, seed=1).albedo
    shown, tints = owners(large, "llvm"), {-1: [GROUND_REFLECTANCE] * 3}
    tints |= {number: [part / 255 for part in COLORS[item.color]] for number, item in enumerate(SCENE.objects)}
    around = np.lib.stride_tricks.sliding_window_view(shown, (3, 3)).reshape(126, 190, 9)
    inside = np.pad((around == around[..., 4:5]).all(axis=-1), 1)
    expected = np.array([tints[number] for number in shown[inside]])
    np.testing.assert_allclose(guide[inside], expected, atol=1e-5)
    assert {*shown[inside]} == set(tints)


def test_normals_face_the_viewer_also_at_outlines() -> None:
    from stages.core.clevr.tracer import backend, geometry

    large = replace(SCENE, width=960, height=640)
    with backend.vectorised():
        pixel = backend.drjit.arange(backend.UInt, large.width * large.height)
        ray = geometry.camera_rays(geometry.view_of(large), pixel, (backend.Float(0.5), backend.Float(0.5)))
        hit = geometry.intersect(geometry.build(large), ray, backend.Mask(True))
        facing = np.array(-backend.drjit.dot(hit.normal, ray.d))[np.array(hit.valid)]
    assert len(facing) > 0.9 * large.width * large.height
    assert facing.min() >= 0


@pytest.mark.slow
def test_more_paths_on_metal_do_not_move_its_outlines() -> None:
    from stages.core.clevr import tracer

    places = {"cylinder": ((0.3, 0.0), (1.8, -1.8)), "sphere": ((1.7, 1.5), (-1.5, 1.5)), "cube": ((-2.0, -1.8),)}
    dark = [
        SceneObject(shape, "large", "brown", "metal", 0.3, (*spot, 0.7))
        for shape, spots in places.items()
        for spot in spots
    ]
    scene = Scene(tuple(dark), 96, 64)
    many = [tracer.trace(scene, samples=64, metal=0, photons=0, seed=900 + run) for run in range(4)]
    few = [tracer.trace(scene, samples=2, metal=14, photons=0, seed=run) for run in range(20)]
    red = np.mean([each.albedo[..., 0] for each in many], axis=0)
    cover = (GROUND_REFLECTANCE - red) / (GROUND_REFLECTANCE - COLORS["brown"][0] / 255)
    rim = (cover > 0.02) & (cover < 0.35)
    light, truth = (np.array([each.light[rim].mean() for each in runs]) for runs in (few, many))
    error = np.sqrt(light.var(ddof=1) / len(light) + truth.var(ddof=1) / len(truth))
    assert abs(light.mean() - truth.mean()) < 4 * error
    assert error < 0.01 * truth.mean()


def test_the_same_scene_and_seed_give_the_same_bytes() -> None:
    pictures = {render(SCENE, QUICK, 3).tobytes() for _ in range(3)}
    assert len(pictures) == 1
    assert render(SCENE, QUICK, 4).tobytes() not in pictures


def test_both_renderers_see_the_same_objects_where_they_are() -> None:
    ours, theirs = owners(SCENE, "llvm"), owners(SCENE, "scalar")
    assert set(np.unique(ours)) == {-1, 0, 1, 2, 3}
    assert np.mean(ours != theirs) < 0.02  # pixels on outlines


def test_a_picture_without_metal_needs_no_photons() -> None:
    dull = replace(SCENE, objects=SCENE.objects[2:])
    assert (render(dull, QUICK, 1) == render(dull, replace(QUICK, photons=0), 1)).all()
