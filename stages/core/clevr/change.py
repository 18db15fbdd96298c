"""The spy's scene: some objects are replaced, and everything else stays the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from stages.core.changes import Change
from stages.core.clevr.scene import Scene
from stages.core.clevr.vocabulary import CHANGEABLE
from stages.core.errors import InputError


def change_objects(
    scene: Scene,
    count: int,
    attributes: Sequence[str],
    draw: Random,
    choices: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Scene, list[Change]]:
    """Replace `attributes` of `count` random objects with other values, drawn uniformly.

    `choices` narrows the values of an attribute; without it, all of CLEVR's values are possible. Position, size,
    rotation and all other objects stay. `InputError` if the scene has too few objects or an attribute has no other
    value.
    """
    if len(scene.objects) < count:
        raise InputError(
            f"{scene.name or f'scene {scene.index}'}: objects in the scene: {len(scene.objects)}, but {count} must "
            "change; leave the scene out or lower games.changes"
        )
    objects = list(scene.objects)
    changes = []
    for number in sorted(draw.sample(range(len(objects)), count)):
        for attribute in attributes:
            before: str = getattr(objects[number], attribute)
            after = _other(attribute, before, (choices or {}).get(attribute, CHANGEABLE[attribute]), draw)
            objects[number] = replace(objects[number], **{attribute: after})  # type: ignore[arg-type]
            changes.append(Change(number, attribute, before, after))
    return replace(scene, objects=tuple(objects)), changes


def _other(attribute: str, before: str, values: Sequence[str], draw: Random) -> str:
    others = [value for value in values if value != before]
    if not others:
        raise InputError(f"{attribute} '{before}' has no other value to change to; allow more in games.{attribute}s")
    return draw.choice(others)
