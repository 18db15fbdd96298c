"""`vz inspect --verify` compares every byte, and the remedy that it names works."""

import json
import shutil
from pathlib import Path

import pytest

from stages import iterate
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.folder.artifact import Outcome, produce
from stages.inspect.verify import verify
from tests.cli import vz
from tests.helpers import fake_recipe
from tests.iterate.test_kills import fingerprint

RECIPE = fake_recipe("iterate.games=4", "iterate.rounds=2", "rollout.concurrent_games=2")


def flip_a_bit(path: Path) -> None:
    """Damage a file as a failing disk does: size, beginning and end stay right."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def large(work: Path) -> Outcome:
    (work / "data").write_bytes(bytes(range(256)) * 100)
    return Outcome()


def make(out: Path, **options: bool) -> str:
    return produce(out, stage="test", settings={}, inputs={}, make=large, **options).status


def test_a_changed_byte_is_found_and_overwrite_repairs_it(tmp_path: Path):
    make(tmp_path / "out")
    assert verify(tmp_path / "out").counts == {"files": 1, "bytes": 25600, "damaged": []}
    flip_a_bit(tmp_path / "out/data")
    assert make(tmp_path / "out") == "up to date"  # the quick check does not see it
    assert verify(tmp_path / "out").counts["damaged"] == [str(tmp_path / "out/data")]
    assert make(tmp_path / "out", overwrite=True) == "done"
    assert verify(tmp_path / "out").status == "whole"
    assert make(tmp_path / "out", overwrite=True) == "up to date"


def test_a_run_is_verified_and_repaired(games: Path, tmp_path: Path):
    run = tmp_path / "run"
    iterate.run(RECIPE, run, games=games)
    expected = fingerprint(run)
    whole = vz("inspect", run, "--verify", "--json")
    assert whole.returncode == 0 and json.loads(whole.stdout)["counts"]["damaged"] == []
    part = run / "round-0002/scored/scored.parquet"
    flip_a_bit(part)
    bad = vz("inspect", run, "--verify")
    assert bad.returncode == 1 and f"{part}: changed since it was written; repeat the command" in bad.stderr
    engine = FakeEngine()
    report = iterate.run(RECIPE, run, games=games, engine=engine, overwrite=True)
    assert report.status == "done" and "resumes after round 1" in " ".join(report.warnings)
    assert fingerprint(run) == expected and engine.tally.completions == 0
    assert verify(run).status == "whole"


def test_a_picture_and_a_training_state_are_verified(games: Path, tmp_path: Path):
    iterate.run(RECIPE, tmp_path / "run", games=games)
    shutil.copytree(games, tmp_path / "run/games")
    for name in ("training-state/round-0001/weights.json", "games/images/pair-000_original.png"):
        flip_a_bit(tmp_path / "run" / name)
    assert len(verify(tmp_path / "run").counts["damaged"]) == 2


def test_a_folder_without_records_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="has no recorded hashes"):
        verify(tmp_path)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="nowhere: no such folder"):
        verify(tmp_path / "nowhere")
