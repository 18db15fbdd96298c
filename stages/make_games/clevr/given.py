"""Genuine CLEVR scenes: from single files, merged ones or folders of them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from stages.core.clevr.effort import settled
from stages.core.clevr.given import GivenScene, NoCamera, find_scenes, has_camera, picture_sizes, read_scene
from stages.core.clevr.placement import sample_lights
from stages.core.clevr.rendering import check_installed
from stages.core.clevr.scene_json import from_json, index_from_json, objects_from_json, pixels_from_json
from stages.core.errors import InputError
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.make_games.clevr import drawn_by
from stages.make_games.clevr.rendered import DRAWS, changed, rendered
from stages.make_games.pair import Made, Pair, Plan, Skipped, common, safe_id


@dataclass(frozen=True)
class ScenePair(Pair):
    """A given scene; its camera is recovered where it is rendered. `size`: width and height of its picture."""

    given: GivenScene
    size: tuple[int, int]

    def make(self) -> Made | Skipped:
        lights = sample_lights(rng(self.seed, "lights"))
        try:
            scene = read_scene(self.given, self.size, lights)
        except NoCamera as error:
            return Skipped("no camera fits", str(error))
        fault = ""
        for redrawn in range(DRAWS):
            try:
                draw = changed(scene, self, redrawn)
            except InputError as error:  # the recipe has no other value for what was to change
                fault = str(error)
                continue
            made = rendered(self, draw, redrawn)
            if isinstance(made, Made):
                return made
            fault = made
        return Skipped("no visible change", f"{self.given.where}: {DRAWS} changes were drawn, the last: {fault}")

    def check_installed(self) -> None:
        check_installed(self.games.denoise)


def plan(recipe: Recipe, path: Path) -> Plan:
    """The first `games.pairs` scenes of `path`. Each is read once and judged; only its place is kept."""
    if not path.exists():
        raise InputError(f"{path}: no such file or folder of scenes")
    found = []
    with progress_bar("reading scenes", recipe.games.pairs) as progress:
        scenes = find_scenes(path)
        for given, body in islice(scenes, recipe.games.pairs):
            _check(given, body, recipe)
            found.append(given)
            progress.advance()
        more = next(scenes, None) is not None
    sizes = picture_sizes(found, [(recipe.games.width, recipe.games.height)])
    by = drawn_by(recipe.games)
    recipe = recipe.model_copy(update={"games": settled(recipe.games)})
    pairs = [
        ScenePair(
            **common(recipe, given.name, f"scenes:{given.file.name}", "clevr"), given=given, size=sizes[given.file]
        )
        for given in found
    ]
    return Plan(pairs, {"scenes": path}, packages=by.packages, drawn_by=by.settings, more=more, warnings=by.warnings)


def _check(given: GivenScene, body: Any, recipe: Recipe) -> None:
    """`InputError` unless it is a scene of CLEVR with enough objects to change and a name for its files."""
    safe_id(given.name, given.where)
    count = len(objects_from_json(body, given.where))
    pixels_from_json(body, given.where)
    index_from_json(body, given.where)
    if has_camera(body):
        from_json(body, given.where)
    if recipe.game.spy_view == "modified" and count < recipe.games.changes:
        raise InputError(
            f"{given.where}: objects in the scene: {count}, but {recipe.games.changes} are to change; leave it out, "
            f"or set games.changes={count}"
        )
