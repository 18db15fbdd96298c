"""Drawing the album: one renderer for all of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from stages.core.clevr import effort
from stages.core.recipe.games import Games
from stages.init_model import pictures


@pytest.mark.parametrize(("library", "renderer"), [(None, "scalar"), ("some.so", "llvm")])
def test_render_processes_get_the_renderer_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch, library: str | None, renderer: str
) -> None:
    def work_through(draw: partial[Any], chunks: Any, processes: int, on_done: Callable[[Any, Any], None]) -> None:
        assert draw.args[0].renderer == renderer
        on_done([0], [((np.zeros((1, 1, 3), np.uint8), ()),) * 2])

    monkeypatch.setattr(effort, "usable_llvm", lambda: library)
    monkeypatch.setattr(pictures, "work_through", work_through)
    assert len(pictures.draw_album(Games(renderer="auto"), range(1), seed=0, processes=2).pairs) == 1


def test_the_number_of_processes_changes_no_picture() -> None:
    games = Games(layout="grid", width=24, height=24, sizes=("large",), renderer="scalar", quality="draft")
    one, two = (pictures.draw_album(games, range(10), seed=3, processes=processes) for processes in (1, 2))
    assert one.pairs == two.pairs
    assert np.array_equal(one.pictures, two.pictures)
