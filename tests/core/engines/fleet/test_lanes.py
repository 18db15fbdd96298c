"""Lanes play blocks of games side by side. Each block is saved whole or not at all."""

from __future__ import annotations

import asyncio
from pathlib import Path

import polars as pl
import pytest

from stages import rollout
from stages.core.engines.base import Completion, Request
from stages.core.engines.fake import FakeEngine
from stages.core.errors import VzError
from tests.helpers import fake_recipe

SIZE = 3  # places a block; 10 games: the last block is of place 9 alone


class Uneven(FakeEngine):
    """Two lanes in this process; `slow` of them takes its time, and after `stop` answers all ends."""

    lanes = 2

    def __init__(self, slow: int, stop: int | None = None) -> None:
        super().__init__()
        self.slow, self.left = slow, stop
        self.begun: list[int] = []

    def lane(self, place: int) -> int:
        return place // SIZE % 2

    async def generate(self, request: Request) -> list[Completion]:
        place, turn = request.order
        if turn == 0:
            self.begun.append(place)
        for _ in range(40 if self.lane(place) == self.slow else 1):
            await asyncio.sleep(0)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise VzError("no more")
        return await super().generate(request)


@pytest.mark.parametrize("slow", [0, 1])
@pytest.mark.parametrize("stop", [5, 20, 30, 35, 45])
def test_blocks_of_several_lanes_are_saved_whole_and_not_played_again(
    games: Path, tmp_path: Path, slow: int, stop: int
):
    recipe = fake_recipe(f"rollout.concurrent_games={SIZE}")
    one = rollout.run(recipe, games, tmp_path / "one", split=None).out
    with Uneven(slow, stop) as engine, pytest.raises(VzError, match="no more"):
        rollout.run(recipe, games, tmp_path / "out", split=None, engine=engine)
    saved = sorted((tmp_path / ".out.partial" / "journal").glob("*.parquet"))
    finished = {name for file in saved for name in pl.read_parquet(file)["game_id"]}
    assert finished or stop < 30
    again = Uneven(slow)
    report = rollout.run(recipe, games, tmp_path / "out", split=None, engine=again)
    assert report.counts["finished_before"] == len(finished) == 10 - len(again.begun)
    assert sorted(again.begun) == [
        place for place in range(10) if place // SIZE in {one // SIZE for one in again.begun}
    ]
    assert (report.out / "part-00000.parquet").read_bytes() == (one / "part-00000.parquet").read_bytes()


def test_lanes_play_side_by_side(games: Path, tmp_path: Path):
    engine = Uneven(slow=0)
    rollout.run(fake_recipe(f"rollout.concurrent_games={SIZE}"), games, tmp_path / "out", split=None, engine=engine)
    assert engine.begun == [0, 1, 2, 3, 4, 5, 9, 6, 7, 8]


@pytest.mark.parametrize(("block", "idle"), [(10, True), (5, False)])
def test_a_warning_tells_of_lanes_without_games(
    block: int, idle: bool, games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    class Blocks(FakeEngine):
        lanes = 2

        def lane(self, place: int) -> int:
            return place // block % 2

    recipe = fake_recipe(f"rollout.concurrent_games={block}")
    rollout.run(recipe, games, tmp_path / "out", split=None, engine=Blocks())  # 10 games
    warning = capsys.readouterr().err
    assert ("only 1 of 2 workers have games" in warning and "set it to 5 or less" in warning) == idle
