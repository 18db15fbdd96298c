"""Without modified pictures, every stage that plays names a remedy before it plays, and the remedy works."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stages import evaluate, iterate, rollout
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.rollout import preflight
from tests.helpers import fake_recipe, write_games

SMALL = ("iterate.games=2", "iterate.rounds=1", "evaluate.games=2", "evaluate.transcripts=2")
STAGES: dict[str, Callable[[Recipe, Path, Path], object]] = {
    "rollout": lambda recipe, games, out: rollout.run(recipe, games, out),
    "preflight": lambda recipe, games, out: preflight.run(recipe, games, out, number=2),
    "iterate": lambda recipe, games, out: iterate.run(recipe, out, games=games),
    "evaluate": lambda recipe, games, out: evaluate.run(recipe, games, out),
}


@pytest.mark.parametrize("stage", STAGES)
def test_the_remedy_for_games_without_modified_pictures_works(stage: str, tmp_path: Path):
    games = write_games(tmp_path / "games", fake_recipe("game.spy_view=blank"), count=10)
    with pytest.raises(InputError, match="no modified picture") as refused:
        STAGES[stage](fake_recipe(*SMALL), games, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    remedy = re.search(r"--set (game\.spy_view=\w+),", str(refused.value))
    assert remedy is not None
    STAGES[stage](fake_recipe(*SMALL, remedy[1]), games, tmp_path / "out")
