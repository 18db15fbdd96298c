"""Progress where nobody sees a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stages import evaluate, rollout, score
from stages import filter as filter_stage
from stages.core import progress
from stages.inspect.verify import verify
from tests.helpers import fake_recipe, write_games


def test_long_work_says_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with progress.progress_bar("making pairs", 400, done=100) as bar:
        for _ in range(299):
            clock[0] += 1.0
            bar.advance()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "making pairs: 160 of 400, 1.00/s, ETA 0:04:00"


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar("making pairs", 3) as bar:
        for _ in range(3):
            bar.advance(note="a pair")
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_with_a_rate(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with progress.progress_bar("making pairs", 3) as bar:
        bar.advance(2)
    assert re.search(r"making pairs.*2/3\S* \d+\.\d\d/s", capsys.readouterr().err)


def test_long_work_of_every_kind_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here each step is a line; usually one comes every minute."""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    monkeypatch.setattr(score.stage, "GAMES_AT_ONCE", 2)
    monkeypatch.setattr(filter_stage.stage, "ROWS_AT_ONCE", 20)
    recipe = fake_recipe("evaluate.games=2", "evaluate.split=train", "evaluate.judge=base", "score.baseline_games=1")
    games = write_games(tmp_path / "games", recipe, count=6, scenes=True)
    rollouts = rollout.run(recipe, games, tmp_path / "rollouts").out
    scored = score.run(recipe, rollouts, tmp_path / "scored").out
    filter_stage.run(recipe, scored, tmp_path / "kept")
    evaluate.run(recipe, games, tmp_path / "evaluation")
    verify(games)
    said = capsys.readouterr().err
    asked = ("votes of current on transcripts", "questions to opponent", "judging clues")
    for what in ("scoring games", "filtering rows", *asked, "verifying files"):
        assert re.search(rf"{what}: \d+ of \d+, \d+\.\d\d/s, ETA 0:", said), said
