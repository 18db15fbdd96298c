"""Genuine CLEVR scenes: from single files, merged ones or folders of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.core.clevr import Scene
from stages.core.clevr.given import GivenScene, find_scenes, picture_sizes, read_scene
from stages.core.clevr.placement import sample_lights
from stages.core.clevr.rendering import check_installed
from stages.core.clevr.scene_json import objects_from_json
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.make_games.clevr.rendered import changed, rendered
from stages.make_games.pair import Made, Pair, Plan, common


@dataclass(frozen=True)
class ScenePair(Pair):
    """A given scene, its camera recovered."""

    scene: Scene

    def make(self) -> Made:
        return rendered(self, self.scene, *changed(self.scene, self, 0))

    def check_installed(self) -> None:
        check_installed(self.games.denoise)


def plan(recipe: Recipe, path: Path) -> Plan:
    """The first `games.pairs` scenes of `path`."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder of scenes")
    found = find_scenes(path)[: recipe.games.pairs]
    if recipe.game.spy_view == "modified":
        for given in found:
            _check_enough_objects(given, recipe.games.changes)
    sizes = picture_sizes(found, [(recipe.games.width, recipe.games.height)])
    return Plan([_pair(recipe, given, sizes[given.file]) for given in found], {"scenes": path})


def _check_enough_objects(given: GivenScene, changes: int) -> None:
    count = len(objects_from_json(given.body, given.where))
    if count < changes:
        raise InputError(
            f"{given.where}: objects in the scene: {count}, but {changes} are to change; leave it out, or set "
            f"games.changes={count}"
        )


def _pair(recipe: Recipe, given: GivenScene, size: tuple[int, int]) -> ScenePair:
    fields = common(recipe, given.name, f"scenes:{given.file.name}", "clevr")
    lights = sample_lights(recipe.games.light_jitter, rng(fields["seed"], "lights"))
    return ScenePair(**fields, scene=read_scene(given, size, lights))
