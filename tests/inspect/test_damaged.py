"""What is damaged in a folder gives one error that names the file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.inspect.overview import overview
from tests.helpers import write_rollouts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """What `vz inspect` reads of a run."""
    row = {"iteration": 1, "phase": "clue", "acc": 0.5, "train": {"loss": 1.0}}
    timed = {"iteration": 1, "breakdown": {"engine": 1.0}, "overhead": {"syncing": 0.1}}
    state = {"iteration": 1, "schedule": {"phase": "clue"}, "best": {"iteration": 1, "vote_accuracy": 0.5}}
    files = {"manifest.json": {"format": 2, "stage": "iterate", "inputs": {}}, "state.json": state}
    for name, body in {**files, "metrics.jsonl": row, "timings.jsonl": timed}.items():
        (tmp_path / name).write_text(json.dumps(body) + "\n")
    return tmp_path


def test_a_whole_run_is_shown(run: Path):
    shown = overview(run, 20).tables
    assert shown["rounds"].row(0, named=True) == {"iteration": 1, "phase": "clue", "acc": 0.5, "loss": 1.0}
    assert shown["seconds"]["largest overheads"].to_list() == ["syncing 0.10"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("manifest.json", "{}"),
        ("state.json", "[]"),
        ("state.json", '{"iteration": 1, "schedule": 3}'),
        ("state.json", '{"iteration": "x", "schedule": {}}'),
        ("state.json", '{"iteration": 1, "schedule": {}, "best": {"iteration": "x"}}'),
        ("metrics.jsonl", '{"iteration": 1, "acc"'),
        ("metrics.jsonl", '{"iteration": 1, "train": "x"}'),
        ("metrics.jsonl", '{"iteration": 1, "\xff": 1}'),
        ("metrics.jsonl", '{"iteration": 1e999}'),
        ("metrics.jsonl", "[" * 9999),
        ("timings.jsonl", '{"iteration": 1, "breakdown": "x", "overhead": {}}'),
        ("timings.jsonl", '{"iteration": 1, "breakdown": {}, "overhead": {"syncing": "x"}}'),
    ],
)
def test_a_damaged_file_of_a_run_is_named(run: Path, file: str, text: str):
    (run / file).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match=file):
        overview(run, 20)


def test_a_table_that_is_cut_off_is_named(tmp_path: Path):
    rollouts = write_rollouts(tmp_path / "rollouts", {"g": (1, ["1"])})
    table = rollouts / "games.parquet"
    table.write_bytes(table.read_bytes()[:-40])
    with pytest.raises(InputError, match=f"{table}: not a readable Parquet file"):
        overview(rollouts, 20)
