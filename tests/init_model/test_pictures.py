"""Drawing the album: one renderer for all of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.core.clevr import effort
from stages.core.recipe.games import Games
from stages.init_model import pictures


@pytest.mark.parametrize(("library", "renderer"), [(None, "scalar"), ("some.so", "llvm")])
def test_render_processes_are_told_the_renderer(
    monkeypatch: pytest.MonkeyPatch, library: str | None, renderer: str
) -> None:
    def draw_all(draw: partial[Any], count: int, processes: int) -> Iterator[Any]:
        assert draw.args[0].renderer == renderer
        yield ((np.zeros((1, 1, 3), np.uint8), ()),) * 2

    monkeypatch.setattr(effort, "usable_llvm", lambda: library)
    monkeypatch.setattr(pictures, "draw_all", draw_all)
    assert len(pictures.draw_album(Games(renderer="auto"), 1, seed=0, processes=2).pairs) == 1
