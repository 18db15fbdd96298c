"""One renderer for all pairs of a run, chosen once: before the render processes start."""

from __future__ import annotations

import pickle

import pytest

from stages.core.clevr import effort
from stages.core.recipe import load, shared_folder
from stages.make_games.sources import Sources, plan


@pytest.mark.parametrize("given", [None, "clevr_scenes.json"])
@pytest.mark.parametrize(("library", "renderer"), [(None, "scalar"), ("some.so", "llvm")])
def test_pairs_carry_the_renderer_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch, given: str | None, library: str | None, renderer: str
) -> None:
    monkeypatch.setattr(effort, "usable_llvm", lambda: library)
    scenes = None if given is None else shared_folder("data") / given
    planned = plan(load("paper-v1", ["games.renderer=auto", "games.pairs=3"]), Sources(scenes=scenes))
    assert planned.drawn_by["renderer"] == renderer
    # What a render process gets. There a trial may end otherwise, e.g. on a machine that was busy before.
    received = pickle.loads(pickle.dumps(list(planned.pairs)))
    monkeypatch.setattr(effort, "usable_llvm", lambda: "another.so")
    assert [pair.games.renderer for pair in received] == [renderer] * 3
    assert [effort.effort_of(pair.games).renderer for pair in received] == [renderer] * 3
