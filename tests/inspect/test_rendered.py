"""Rendered pairs: the outlines are where the changed objects are."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages import make_games
from stages.core.recipe import load
from stages.inspect.pairs import choose, look_at
from stages.inspect.show import show

pytest.importorskip("mitsuba", reason="extra 'render' is not installed")


def test_every_changed_object_of_rendered_pairs_is_outlined(tmp_path: Path):
    recipe = load("tiny", ["games.pairs=2"])
    games = make_games.run(recipe, tmp_path / "games", processes=1).out
    for seen in look_at(choose(games, 2)):
        assert seen.difference is not None and len(seen.lines) == len(seen.places) == 2
        for x, y in seen.places.values():
            assert [1 for left, top, right, bottom in seen.difference.boxes if left <= x < right and top <= y < bottom]
        assert all(box.area < 72 * 72 / 2 for box in seen.difference.boxes)
        description, changed = seen.lines[0].description, seen.row["changes"][0]
        assert changed["before"] in description and description.startswith("large ")
    for name in ("page.html", "sheet.png"):
        report = show(games, tmp_path / name, sheet=name == "sheet.png")
        assert report.counts["pairs"] == 2 and not report.warnings
