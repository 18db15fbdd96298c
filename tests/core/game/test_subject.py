"""What prompts say about a pair agrees with its change log and does not give away the changes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from stages.core.game.subject import Subject

BAR = json.dumps({"kind": "bar", "table": {"labels": ["a", "b"], "series": {"Tea": [1, 2], "Coffee": [3, 4]}}})


def pair(domain: str, changes: Iterable[tuple[int, str, str, str]] | None, scene: str | None = None) -> dict[str, Any]:
    names = ("object", "attribute", "before", "after")
    log = None if changes is None else [dict(zip(names, change, strict=True)) for change in changes]
    return {"domain": domain, "changes": log, "scene": scene}


RED, CUBE, RUBBER = ("color", "red", "blue"), ("shape", "cube", "sphere"), ("material", "rubber", "metal")


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ([(0, *RED), (0, *CUBE), (3, *RED), (3, *CUBE)], "two of the objects have a different colour and shape"),
        ([(2, *RED)], "one of the objects has a different colour"),
        (
            [(n, *what) for n in range(3) for what in (RED, CUBE, RUBBER)],
            "three of the objects have a different colour, shape and material",
        ),
        ([(0, *RED), (1, *CUBE)], "two of the objects differ in colour or shape"),
        ([(0, "Size", "small", "large")], "one of the objects has a different size"),
        ([(0, "3d_coords", "[0, 1]", "[1, 1]")], "one of the objects has a different position"),
        ([(n, *RED) for n in range(12)], "12 of the objects have a different colour"),
        ([(0, *RED), (1, "shape", "cube", "cube")], "one of the objects has a different colour"),
        ([(0, "edit", "", "make the cube red")], None),
        ([], None),  # a pair of noise: the picture may be blank or the same
        (None, None),
    ],
)
def test_changed_objects(changes: list[tuple[int, str, str, str]] | None, difference: str | None):
    assert Subject.of(pair("clevr", changes)) == Subject("clevr", None, difference)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ([(0, "Tea", "1", "4"), (1, "Coffee", "4", "1")], "two of the values are swapped"),
        ([(0, "Tea", "1", "4"), (1, "Coffee", "4", "2")], "two of the values are different"),
        ([(0, "Tea", "1", "4")], "one of the values is different"),
        ([(n, "Tea", "1", "4") for n in range(3)], "three of the values are different"),
        ([(0, "title", "Tea", "Coffee")], None),
        ([(0, "edit", "", "swap two bars")], None),
        ([], None),
    ],
)
def test_changed_values(changes: list[tuple[int, str, str, str]], difference: str | None):
    assert Subject.of(pair("chart", changes, BAR)) == Subject("chart", "bar", difference)


@pytest.mark.parametrize("scene", [None, "{", "[]", "{}", '{"kind": 3}', '{"table": []}'])
def test_a_chart_without_a_known_kind(scene: str | None):
    assert Subject.of(pair("chart", [(0, "Tea", "1", "4")], scene)) == Subject("chart")


@pytest.mark.parametrize("domain", ["photo", "picture", "movie"])
def test_photos_and_other_pictures_have_no_known_difference(domain: str):
    assert Subject.of(pair(domain, [(0, "edit", "", "add a dog")])) == Subject(domain)
