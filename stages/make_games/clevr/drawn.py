"""Scenes drawn by the recipe's rules."""

from __future__ import annotations

from dataclasses import dataclass

from stages.core.changes import Change
from stages.core.clevr import Scene, sample_scene
from stages.core.clevr.rendering import check_installed
from stages.core.clevr.visibility import visible_pixels
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.games import Games
from stages.core.seeds import rng
from stages.make_games.clevr.rendered import changed, rendered
from stages.make_games.pair import Made, Pair, Plan, common


@dataclass(frozen=True)
class DrawnPair(Pair):
    """A scene to be drawn by CLEVR's rules."""

    index: int

    def make(self) -> Made:
        return rendered(self, *draw_pair(self))

    def check_installed(self) -> None:
        check_installed(self.games.denoise)


def plan(recipe: Recipe) -> Plan:
    """`games.pairs` scenes. `InputError` when the recipe cannot be met."""
    if recipe.game.spy_view == "modified" and recipe.games.objects_min < recipe.games.changes:
        raise InputError(
            f"games.objects_min is {recipe.games.objects_min}, but {recipe.games.changes} objects are to change; "
            "raise it or lower games.changes"
        )
    ids = [f"clevr-{index:06d}" for index in range(recipe.games.pairs)]
    return Plan(
        [DrawnPair(**common(recipe, pair_id, "drawn", "clevr"), index=index) for index, pair_id in enumerate(ids)]
    )


def draw_pair(pair: DrawnPair) -> tuple[Scene, Scene | None, list[Change]]:
    """A scene by the recipe's rules and its changed twin, both with every object in sight.

    A change of shape can hide what stands behind, so that now and then another change or scene is drawn.
    """
    games = pair.games
    for attempt in range(games.placement.restarts):
        scene = sample_scene(games, rng(pair.seed, "scene", attempt), name=pair.pair_id, index=pair.index)
        modified, changes = changed(scene, pair, attempt)
        if modified is None or games.layout == "grid" or _in_sight(modified, games):
            return scene, modified, changes
    raise InputError(
        f"{pair.pair_id}: no change keeps every object in sight; lower games.min_pixels or games.objects_max"
    )


def _in_sight(scene: Scene, games: Games) -> bool:
    return min(visible_pixels(scene)) >= games.min_pixels
