"""Progress where nobody sees a terminal."""

from __future__ import annotations

import re

import pytest

from stages.core import progress


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
