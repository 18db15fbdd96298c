"""Really rendered pairs: outlines stand where the changed objects are."""

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
        assert seen.difference is not None and len(seen.lines) == 2
        matched = [region for region in seen.difference.regions if region.centre is not None]
        assert sorted(region.centre for region in matched if region.centre is not None) == [0, 1]
        assert all(region.box.area < 72 * 72 / 4 for region in matched)
        thing, changed = seen.lines[0].thing, seen.row["changes"][0]
        assert changed["before"] in thing and thing.startswith("large ")
    report = show(games, page=tmp_path / "page.html", sheet=tmp_path / "sheet.png")
    assert report.counts["gallery"]["pairs"] == 2 and not report.warnings
