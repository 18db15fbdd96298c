"""Worker processes: their items, their end, and that Ctrl-C never reaches them."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from stages.core.processes import pool
from stages.core.processes.pool import available_cores, work_through


def interrupted_process(path: Path, number: int) -> int:
    """Send this process Ctrl-C, which must not matter even after a library took the signal for itself."""
    signal.signal(signal.SIGINT, lambda *_: path.write_text("interrupted"))
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.05)
    return number * number


def test_ctrl_c_never_reaches_a_worker(tmp_path: Path) -> None:
    results: dict[int, int] = {}
    task = partial(interrupted_process, tmp_path / "interrupted")
    work_through(task, [[1, 2], [3]], 2, lambda items, found: results.update(zip(items, found, strict=True)))
    assert results == {1: 1, 2: 4, 3: 9}
    assert not (tmp_path / "interrupted").exists()


def test_one_process_reports_item_by_item() -> None:
    seen: list[tuple[list[int], list[str]]] = []
    work_through(str, [[1, 2], [3]], 1, lambda items, found: seen.append((list(items), list(found))))
    assert seen == [([1], ["1"]), ([2], ["2"]), ([3], ["3"])]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_batch_ends_when_no_more_results_are_wanted(monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    monkeypatch.setattr(pool, "_stop", SimpleNamespace(value=not wanted))
    assert pool._work_on(str.upper, ["a", "b"]) == (["A", "B"] if wanted else [])


@pytest.mark.parametrize(("text", "cores"), [("max 100000", 8), ("250000 100000", 2), ("1000 100000", 1), (None, 8)])
def test_a_containers_quota_limits_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, cores: int
) -> None:
    monkeypatch.setattr(pool.os, "sched_getaffinity", lambda _: set(range(8)))
    if text is not None:
        (tmp_path / "cpu.max").write_text(text + "\n")
    assert available_cores(tmp_path / "cpu.max") == cores
