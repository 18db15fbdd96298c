"""Pairs of scenes that are drawn by the recipe's rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from stages.core.clevr import Scene
from stages.core.clevr.effort import with_renderer
from stages.core.clevr.placement import MOST_STARTS, sample_scene
from stages.core.clevr.rendering import check_installed
from stages.core.clevr.visibility import visible_pixels
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.games import Games
from stages.core.seeds import rng
from stages.make_games.clevr import drawn_by
from stages.make_games.clevr.rendered import DRAWN, DRAWS, Draw, changed, rendered
from stages.make_games.pair import Made, Pair, Plan, common


@dataclass(frozen=True)
class DrawnPair(Pair):
    """A scene to be drawn by CLEVR's rules."""

    index: int

    def make(self) -> Made:
        fault = "no change keeps every object in sight"
        for redrawn, draw in islice(draws(self), DRAWS):
            made = rendered(self, draw, redrawn)
            if isinstance(made, Made):
                return made
            fault = made
        raise InputError(
            f"{self.pair_id}: {DRAWS} scenes were drawn and none could be used ({fault}); lower games.min_pixels "
            "or games.objects_max"
        )

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
    drawing = drawn_by(recipe.games)
    recipe = recipe.model_copy(update={"games": with_renderer(recipe.games)})
    pairs = [DrawnPair(**common(recipe, name, DRAWN, "clevr"), index=index) for index, name in enumerate(ids)]
    return Plan(pairs, **drawing)


def draws(pair: DrawnPair) -> Iterator[tuple[int, Draw]]:
    """Scenes with their changed twins, every object of both in sight; and how many were thrown away before: a change of
    shape can hide what stands behind."""
    games = pair.games
    for attempt in range(MOST_STARTS):
        scene = sample_scene(games, rng(pair.seed, "scene", attempt), name=pair.pair_id, index=pair.index)
        draw = changed(scene, pair, attempt)
        if draw.modified is None or games.layout == "grid" or _in_sight(draw.modified, games):
            yield attempt, draw


def _in_sight(scene: Scene, games: Games) -> bool:
    return min(visible_pixels(scene)) >= games.min_pixels
