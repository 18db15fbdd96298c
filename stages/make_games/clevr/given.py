"""Genuine CLEVR scenes: from single files, merged ones, or folders of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stages.core.clevr.effort import with_renderer
from stages.core.clevr.given import GivenScene, NoCamera, picture_sizes, read_scene, scene_files, scenes_in
from stages.core.clevr.placement import sample_lights
from stages.core.clevr.rendering import check_installed
from stages.core.clevr.scene_json import read_json_scene
from stages.core.errors import InputError
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.make_games.clevr import drawn_by
from stages.make_games.clevr.rendered import DRAWS, changed, rendered
from stages.make_games.pair import Made, Pair, Plan, Skipped, common, safe_id, splits_of


@dataclass(frozen=True)
class ScenePair(Pair):
    """A given scene. Rendering recovers its camera. `size`: width and height of its picture."""

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
            except InputError as error:  # the recipe has no other value for what must change
                fault = str(error)
                continue
            made = rendered(self, draw, redrawn)
            if isinstance(made, Made):
                return made
            fault = made
        return Skipped(
            "no visible change", f"{self.given.where}: none of {DRAWS} changes is visible, the last: {fault}"
        )

    def check_installed(self) -> None:
        check_installed(self.games.denoise)


def plan(recipe: Recipe, path: Path) -> Plan:
    """The first `games.pairs` good scenes of `path`."""
    found: dict[str, GivenScene] = {}
    skipped: dict[str, Skipped] = {}
    more = False
    with progress_bar("reading scenes", recipe.games.pairs) as progress:
        for scene in _scenes(scene_files(path), skipped):
            if len(found) == recipe.games.pairs:
                more = True
                break
            name = safe_id(scene.name)
            if name in found:
                skipped[f"{name} (again)"] = Skipped("same name", f"{scene.where}: has the name of {found[name].where}")
                continue
            try:
                _check(scene, recipe)
            except InputError as error:
                skipped[name] = Skipped("bad scene", str(error))
                continue
            found[name] = scene
            progress.advance()
    sizes = picture_sizes(list(found.values()), [(recipe.games.width, recipe.games.height)])
    drawing = drawn_by(recipe.games)
    recipe = recipe.model_copy(update={"games": with_renderer(recipe.games)})
    splits = splits_of(recipe, found)
    pairs = [
        ScenePair(
            **common(recipe, name, f"scenes:{given.file.name}", "clevr", splits[name]),
            given=given,
            size=sizes[given.file],
        )
        for name, given in found.items()
    ]
    return Plan(pairs, {"scenes": path}, skipped=skipped, more=more, **drawing)


def _scenes(files: list[Path], skipped: dict[str, Skipped]) -> Iterator[GivenScene]:
    """All scenes of the files. Files that cannot be read go to `skipped`, with the reason."""
    for file in files:
        try:
            yield from scenes_in(file)
        except InputError as error:
            skipped[safe_id(file.stem)] = Skipped("unreadable file", str(error))


def _check(scene: GivenScene, recipe: Recipe) -> None:
    """`InputError` unless it is a CLEVR scene with enough objects to change."""
    count = len(read_json_scene(scene.body, scene.where)[0].objects)
    if recipe.game.spy_view == "modified" and count < recipe.games.changes:
        raise InputError(
            f"{scene.where}: has {count} objects, but {recipe.games.changes} must change; set games.changes={count}"
        )
