"""Where pairs come from: generated scenes, given scenes, tables, or ready-made pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.make_games.pair import Plan

OPTIONS = {"scenes": "--scenes", "tables": "--tables", "ready": "--from"}


@dataclass(frozen=True)
class Sources:
    """What the user gives. By default, vz generates scenes; or with `games.domain: chart`, charts of its own tables.

    `scenes`: CLEVR scenes. `tables`: CSV files to draw as charts. `ready`: pictures, as a folder, a table, or a data
    set on the hub, `hf:owner/name`.
    """

    scenes: Path | None = None
    tables: Path | None = None
    ready: str | None = None


def plan(recipe: Recipe, sources: Sources) -> Plan:
    """The pairs to make, in order. `InputError` says what is wrong with the recipe or the input."""
    given = [name for name, value in vars(sources).items() if value is not None]
    if len(given) > 1:
        raise InputError(f"give only one of {' and '.join(OPTIONS[name] for name in given)}")
    if sources.ready is not None:
        from stages.make_games import ready

        return ready.plan(recipe, sources.ready)
    if sources.tables is not None or (sources.scenes is None and recipe.games.domain == "chart"):
        from stages.make_games import charts

        if recipe.games.domain not in (None, "chart"):
            raise InputError(f"games.domain is '{recipe.games.domain}', but tables are drawn as charts; leave it out")
        return charts.plan(recipe, sources.tables)
    if recipe.games.domain not in (None, "clevr"):
        drawn_as = "scenes are of clevr" if sources.scenes is not None else "vz draws only clevr and chart"
        raise InputError(
            f"games.domain is '{recipe.games.domain}', but {drawn_as}; leave it out, or give pictures with --from"
        )
    from stages.make_games.clevr import drawn
    from stages.make_games.clevr import given as given_scenes

    return drawn.plan(recipe) if sources.scenes is None else given_scenes.plan(recipe, sources.scenes)
