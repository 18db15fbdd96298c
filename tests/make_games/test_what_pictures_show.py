"""Pairs are redrawn until their pictures show every object and every change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("mitsuba", reason="extra 'render' is not installed")

from stages.core.changes import Change
from stages.core.clevr import Scene, SceneObject, owners
from stages.core.errors import InputError
from stages.core.recipe import load
from stages.make_games.clevr import drawn, rendered
from stages.make_games.clevr.drawn import DrawnPair
from stages.make_games.clevr.rendered import Draw, in_sight, scaled
from stages.make_games.pair import Made

BALL = SceneObject("sphere", "large", "red", "metal", 0.0, (1.0, -1.0, 0.7))
SMALL = SceneObject("cube", "small", "blue", "rubber", 0.0, (-1.0, 1.0, 0.35))
HIDDEN = SceneObject("cube", "small", "green", "rubber", 0.0, (-0.35, 0.15, 0.35))  # behind the ball
SCENE = Scene((BALL, SMALL), 96, 64)


def pair(*settings: str) -> DrawnPair:
    quick = ["games.renderer=scalar", "games.samples=1", "games.denoise=false", "games.pairs=1", *settings]
    [only] = drawn.plan(load("paper-v1", quick)).pairs
    assert isinstance(only, DrawnPair)
    return only


def twin(**changed: str) -> Draw:
    other = replace(SCENE, objects=(replace(BALL, **changed), SMALL))  # type: ignore[arg-type]
    changes = [Change(0, name, getattr(BALL, name), value) for name, value in changed.items()]
    return Draw(SCENE, other, changes)


def test_a_change_that_shows_makes_a_pair() -> None:
    made = rendered.rendered(pair(), twin(color="blue", shape="cube"), redrawn=3)
    assert isinstance(made, Made)
    assert made.counts == {"redrawn": 3}


def test_a_change_that_does_not_show_makes_none() -> None:
    assert rendered.rendered(pair(), twin(color="red"), 0) == "object 0 differs in 0 pixels"


def test_an_object_that_is_hidden_makes_none() -> None:
    hiding = replace(SCENE, objects=(*SCENE.objects, HIDDEN))
    told = rendered.rendered(pair(), replace(twin(color="blue"), scene=hiding), 0)
    assert isinstance(told, str) and told.startswith("object 2 shows")


def test_sight_is_counted_in_the_picture_and_the_limit_scales_with_it() -> None:
    sizes = ((96, 64), (192, 128))
    small, large = (in_sight(owners(replace(SCENE, width=w, height=h), "scalar"), 2) for w, h in sizes)
    assert large / small == pytest.approx(4, rel=0.1)
    assert scaled(200, SCENE) == pytest.approx(200 * (96 / 320) ** 2)
    radius = np.sqrt(small[0] / np.pi)
    assert radius == pytest.approx(0.7 * 96 / 320 * 350 / 10.8, rel=0.15)  # focal length 350 px at 320, 10.8 away


def test_faulty_draws_are_drawn_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    faults = iter(["object 1 shows 3 pixels", "object 0 differs in 2 pixels", None])
    real = rendered._hidden
    monkeypatch.setattr(rendered, "_hidden", lambda *given: next(faults) or real(*given))
    assert pair("games.width=96", "games.height=64").make().counts == {"redrawn": 2}


def test_changes_that_hide_an_object_are_drawn_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    sights = iter([False, False, True])
    monkeypatch.setattr(drawn, "_in_sight", lambda *given: next(sights))
    monkeypatch.setattr(rendered, "_hidden", lambda *given: None)
    monkeypatch.setattr(rendered, "_unchanged", lambda *given: None)
    assert pair("games.width=96", "games.height=64").make().counts == {"redrawn": 2}


def test_settings_that_no_draw_meets_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendered, "_hidden", lambda *given: "object 1 shows 3 pixels")
    with pytest.raises(
        InputError, match=r"clevr-000000: none of 20 generated scenes is usable \(object 1 shows 3 pixels\); lower"
    ):
        pair("games.width=96", "games.height=64").make()
