"""Pairs of charts: a table drawn twice, the second time with two of its values swapped.

In the order of work: `reading` parses a file; `numbers`, `times` and `columns` classify its columns; `tables` builds
`cubes` of values in one unit, by `groups` of columns; `planning` assigns tables to pairs; `cutting` and `swap` choose
what to show and what to swap; `looks` picks a style; `drawing` and `marks` draw the pictures.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from stages.core.errors import MissingExtra
from stages.core.recipe import Recipe
from stages.make_games.pair import Plan


def plan(recipe: Recipe, path: Path | None) -> Plan:
    """Pairs from the tables at `path`, or from vz's own. `MissingExtra` if a package that this needs is missing."""
    for package in ("matplotlib", "charset_normalizer"):
        if find_spec(package) is None:
            raise MissingExtra("charts", package)
    from stages.make_games.charts import planning

    return planning.plan(recipe, path)
