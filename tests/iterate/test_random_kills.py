"""Two random kills of a run whose rounds are not all saved; `make test-kills` does sixty, of five kinds of runs."""

from pathlib import Path

import pytest

from stages.core.recipe import load
from tests.helpers import write_games
from tests.iterate.random_kills import ARMS, SMALL, Arm


@pytest.mark.slow
@pytest.mark.parametrize("name", ARMS)
def test_random_kills_change_no_byte_and_no_saved_game_is_asked_for_again(tmp_path: Path, name: str):
    games = write_games(tmp_path / "games", load("tiny", SMALL), count=16, side=72)
    seen = Arm(tmp_path / "runs", games, ARMS[name], name).kill(2)
    assert (seen.asked_again, seen.other_bytes) == (0, [])
