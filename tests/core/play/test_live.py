"""The progress line of playing: what it shows, and that it costs next to nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from stages import rollout
from stages.core import progress
from stages.core.engines.base import Completion, Queue
from stages.core.engines.fake import FakeEngine
from stages.core.play import live
from stages.core.recipe.game import Game
from tests.helpers import fake_recipe

RULES = Game(players=4, clue_rounds=1, votes=8)  # 12 completions a game


class Busy(FakeEngine):
    def queue(self) -> Queue:
        return Queue(running=3, waiting=5)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(live.time, "monotonic", lambda: now[0])
    return now


def work(engine: FakeEngine, completions: int, tokens: int = 10, prompt: int = 100, cached: int = 0) -> None:
    one = Completion("", [1] * tokens, [-0.5] * tokens, "stop", prompt, "", "fake")
    for _ in range(completions):
        engine.count([one], prompts=prompt, cached=cached)


def test_a_line_shows_games_rates_queue_and_time_left(clock: list[float]):
    engine = Busy()
    work(engine, 1000)  # before this stage
    meter = live.Meter("playing", total=30, before=10, rules=RULES, engine=engine)
    work(engine, 60, cached=75)  # 5 games
    meter.finished, clock[0] = 4, 1030.0
    assert meter.line() == (
        "playing: 14 of 30 games, 10.0 games/min, 200 tokens/s in (75% cached), 20 out, 3 running, 5 waiting, ETA 0:01:30"
    )


def test_without_anything_played_the_time_left_is_unknown(clock: list[float]):
    meter = live.Meter("playing", 30, 0, RULES, FakeEngine())
    clock[0] += 5
    assert meter.line().endswith("0.0 games/min, 0 tokens/s in, 0 out, 0 running, 0 waiting, ETA –")


def test_a_game_has_the_votes_of_all_civilians():
    assert live.completions_of(Game(players=5, clue_rounds=2, voters="civilians", votes_per_civilian=3)) == 10 + 12


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(progress, "LINE_EVERY", 0.01)
    with live.watch(live.Meter("playing", 30, 0, RULES, FakeEngine())):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert lines and all(re.match(r"playing: 0 of 30 games, .* ETA –$", line) for line in lines)


def test_quick_playing_says_nothing(games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rollout.run(fake_recipe(), games, tmp_path / "out")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("columns", [80, 160])
def test_a_terminal_shows_the_line_in_place(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(live.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    engine = Busy()
    meter = live.Meter("playing", 30, 10, RULES, engine)
    with live.watch(meter):
        work(engine, 12, tokens=10_000, prompt=100_000, cached=60_000)
        meter.finished = 1
        time.sleep(0.8)
    shown = " ".join(capsys.readouterr().err.split())
    assert "11 of 30 games" in shown and "3 running, 5 waiting" in shown and "ETA" in shown


def test_a_queue_that_changes_while_it_is_read_is_no_error():
    class Changing(FakeEngine):
        def queue(self) -> Queue:
            raise RuntimeError("dictionary changed size during iteration")

    assert "0 running" in live.Meter("playing", 3, 0, RULES, Changing()).line()


def test_a_refresh_takes_under_a_hundredth_of_the_time_between_two():
    meter = live.Meter("playing", 3000, 0, RULES, Busy())
    began = time.process_time()
    for finished in range(50):
        meter.finished = finished
        meter.line()
    assert (time.process_time() - began) / 50 / live.REFRESH_EVERY < 0.01


def test_the_manifest_has_the_same_rates(games: Path, tmp_path: Path):
    class Cached(FakeEngine):
        def count(self, completions, *, prompts, cached=0):
            super().count(completions, prompts=100, cached=25)

    engine = Cached()
    timings = rollout.run(fake_recipe(), games, tmp_path / "out", engine=engine).timings
    seconds = timings["play_seconds"]
    assert timings["cache_hit_rate"] == 0.25 and (timings["retries"], timings["restarts"]) == (0, 0)
    assert timings["games_per_minute"] == pytest.approx(8 * 60 / seconds, rel=0.1)
    assert timings["tokens_in_per_second"] == pytest.approx(engine.tally.tokens_in / seconds, rel=0.1)
    assert timings["tokens_per_second"] == pytest.approx(engine.tally.tokens_out / seconds, rel=0.1)
