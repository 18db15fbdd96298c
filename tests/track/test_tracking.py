"""What a run does with trackers: they follow it, and nothing that they do stops it. A fake one stands for Trackio."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, track
from stages.core.errors import InputError
from stages.core.folder.artifact import Report
from stages.core.recipe import Recipe
from stages.track import tracking
from stages.track.record import read_record
from tests.helpers import fake_recipe
from tests.iterate.test_kills import fingerprint
from tests.processes import forked

ROOT = Path(__file__).resolve().parents[2]
FAKES = ROOT / "tests/track/fakes"
RECIPE = fake_recipe("track=[trackio]", "iterate.games=3", "iterate.rounds=3")


class Told:
    """The calls that the fake tracker received."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self._file.read_text().splitlines()] if self._file.is_file() else []

    def steps(self) -> list[int]:
        return [row["step"] for row in self.rows() if "step" in row]

    def names(self) -> set[str]:
        return {row["name"] for row in self.rows() if "name" in row}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Puts the fake tracker in the place of Trackio, for this process and those that it starts."""
    monkeypatch.syspath_prepend(FAKES)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKES), str(ROOT)]))
    monkeypatch.setenv("FAKE_TRACKIO_FILE", str(tmp_path / "told.jsonl"))
    monkeypatch.delenv("FAKE_TRACKIO", raising=False)
    return Told(tmp_path / "told.jsonl")


def of_tracker(report: Report) -> list[str]:
    """What a run's report warns of its tracker."""
    return [warning for warning in report.warnings if warning.startswith("trackio")]


def kill_in_round_2(recipe: Recipe, out: Path, games: Path) -> None:
    """Play round 1, and be killed at the end of round 2."""

    def on_round(metrics: dict, timings: dict) -> None:
        if metrics["iteration"] == 2:
            os.kill(os.getpid(), signal.SIGKILL)

    iterate.run(recipe, out, games=games, on_round=on_round)


def test_a_killed_run_goes_on_as_the_same_run(games: Path, tmp_path: Path, told: Told) -> None:
    """Each round is there once, also those that ended after the last one that could be sent."""
    assert forked(kill_in_round_2, RECIPE, tmp_path / "run", games) == -signal.SIGKILL
    began = time.monotonic()
    while 1 not in told.steps() and time.monotonic() - began < 30:  # its sender outlives it
        time.sleep(0.05)
    report = iterate.run(RECIPE, tmp_path / "run", games=games)
    assert told.steps() == [1, 2, 3] and not of_tracker(report)
    assert len(told.names()) == 1 and told.names().pop().startswith("run-")
    assert told.rows()[-1] == {"finished": True}
    shown = [row["games"] for row in told.rows() if "step" in row]
    assert all(picture == "56x24" for pictures in shown for picture in pictures)  # two of 24 pixels, and a gap
    log = (tmp_path / "run/tracking/trackio.log").read_text()
    assert "chatter on stdout" in log and "Traceback" not in log


def test_what_was_not_sent_is_sent_with_the_next_round(
    games: Path, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAKE_TRACKIO", "fails once")
    out = tmp_path / "run"

    def slowly(metrics: dict, timings: dict) -> None:
        time.sleep(0.2)

    assert not of_tracker(iterate.run(RECIPE, out, games=games, on_round=slowly))
    assert told.steps() == [1, 2, 3]
    said = capfd.readouterr().err
    assert said.count("warning: trackio: ConnectionError: lost") == 1 and f"see {out}/tracking/trackio.log" in said


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("unreachable", "ConnectionError: no route to the tracker"),
        ("exits", "its process ended with 3"),
        ("hangs", "it did not end within 1 seconds"),
    ],
)
def test_no_fault_of_a_tracker_stops_or_changes_a_run(
    games: Path, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
    fault: str, why: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(tracking, "PATIENCE", 1.0 if fault == "hangs" else 60.0)
    monkeypatch.setenv("FAKE_TRACKIO", fault)
    out = tmp_path / "run"
    report = iterate.run(RECIPE, out, games=games)
    (warning,) = of_tracker(report)
    assert report.counts["rounds"] == 3 and re.match(r"trackio: has the rounds up to (-1|0) of 3 ", warning)
    assert why in warning and "\n" not in warning
    assert capfd.readouterr().err.count("warning: trackio") <= 1
    plain = iterate.run(RECIPE.model_copy(update={"track": ()}), tmp_path / "plain", games=games).out
    tables = [{name: hash for name, hash in fingerprint(run).items() if "round-" in name} for run in (plain, out)]
    assert tables[0] == tables[1]
    monkeypatch.delenv("FAKE_TRACKIO")
    monkeypatch.setattr(tracking, "PATIENCE", 60.0)
    again = iterate.run(RECIPE, out, games=games)  # the remedy that the warning names
    assert (again.status, of_tracker(again), told.steps()) == ("up to date", [], [1, 2, 3])


def test_a_run_may_be_tracked_from_any_round_on(games: Path, tmp_path: Path, told: Told) -> None:
    """`track` is no part of what a run is, and earlier rounds are sent as well."""
    plain = RECIPE.model_copy(update={"track": (), "iterate": RECIPE.iterate.model_copy(update={"rounds": 2})})
    iterate.run(plain, tmp_path / "run", games=games)
    iterate.run(RECIPE, tmp_path / "run", games=games)
    assert told.steps() == [1, 2, 3]
    iterate.run(RECIPE.model_copy(update={"seed": 1}), tmp_path / "run", games=games, overwrite=True)
    assert told.steps() == [1, 2, 3, 1, 2, 3] and len(told.names()) == 2  # another run


def test_a_package_that_is_missing_is_named_before_anything_is_done(
    games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    with pytest.raises(InputError, match=r"track: 'wandb' needs .* pip install 'vz-selfplay\[wandb\]'"):
        iterate.run(fake_recipe("track=[wandb]"), tmp_path / "run", games=games)
    assert not (tmp_path / "run").exists()
    track.check_ready([])


def test_a_round_is_figures_tables_and_games(games: Path, tmp_path: Path) -> None:
    recipe = fake_recipe("iterate.games=3", "iterate.rounds=1", "evaluate.every=1", "evaluate.games=2",
                         "evaluate.split=train")  # fmt: skip
    run = iterate.run(recipe, tmp_path / "run", games=games).out
    metrics = json.loads((run / "metrics.jsonl").read_text())
    record = read_record(run, 1)
    assert record.figures["round/acc"] == metrics["acc"] and record.figures["train/loss"] == metrics["train"]["loss"]
    assert record.figures["seconds/rollout"] > 0 and record.figures["round/trains clues"] == 0.0
    table = record.tables["evaluation"].filter(pl.col("figure") == "arena.win_rate").row(0, named=True)
    assert table["low"] <= table["value"] <= table["high"]
    game = record.games[0]
    assert len(record.games) == 3 and game.side_by_side().size == (56, 24)
    left, right = (game.side_by_side().getpixel(at) for at in ((0, 0), (55, 0)))
    assert left != right and f"seat {game.spy} is the spy" in game.text and game.text.count("- seat") == 4
    before = read_record(run, 0)  # the base model, evaluated
    assert before.games == [] and before.figures.keys() == {name for name in record.figures if "evaluation/" in name}


def test_a_benchmark_of_a_round_is_a_table(tmp_path: Path) -> None:
    row = {"task": "chart", "metric": "exact", "samples": 40, "base": 0.5, "model": 0.55, "difference": 0.05,
           "difference_interval": [-0.02, 0.12], "wins": 3, "losses": 1, "p_value": None, "cut": {"base": 0}}  # fmt: skip
    (tmp_path / "round-0000/benchmark").mkdir(parents=True)
    (tmp_path / "round-0000/benchmark/benchmark.json").write_text(json.dumps({"tasks": [row]}))
    (tmp_path / "recipe.yaml").touch()
    record = read_record(tmp_path, 0)
    assert record.figures["benchmark/chart.difference"] == 0.05 and "benchmark/chart.p_value" not in record.figures
    assert record.tables["benchmark"].row(0, named=True)["difference_interval"] == "-0.02 … 0.12"
