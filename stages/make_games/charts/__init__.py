"""Pairs of charts: a table drawn twice, the second time with two of its values exchanged.

In the order of work: `reading` takes a file apart; `numbers`, `times` and `columns` say what its columns are; `tables`
makes `cubes` of values of one unit, by `groups` of columns; `planning` deals out tables; `cutting` and `swap` choose
what is shown and exchanged; `looks` draws a style; `drawing` and `marks` draw the pictures.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from stages.core.errors import MissingExtra
from stages.core.recipe import Recipe
from stages.make_games.pair import Plan


def plan(recipe: Recipe, path: Path | None) -> Plan:
    """Pairs from the tables at `path`, or from vz's own. `MissingExtra` unless what reads and draws is installed."""
    for package in ("matplotlib", "charset_normalizer"):
        if find_spec(package) is None:
            raise MissingExtra("charts", package)
    from stages.make_games.charts import planning

    return planning.plan(recipe, path)
