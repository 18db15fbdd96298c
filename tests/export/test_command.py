"""`vz export` on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli import vz
from tests.inspect.folders import all_kinds, write_pairs


@pytest.fixture
def games(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "games", all_kinds())


def test_the_output_ends_with_the_upload_command(games: Path, tmp_path: Path):
    done = vz("export", games, "--to", "hf-dataset", "--out", tmp_path / "set")
    assert done.returncode == 0 and f"hf upload OWNER/NAME {tmp_path / 'set'} . --repo-type dataset" in done.stdout
    assert done.stderr.count("\n") == 1 and "--license" in done.stderr


def test_json_is_one_object(games: Path, tmp_path: Path):
    done = vz("export", games, "--out", tmp_path / "set", "--license", "mit", "--json")
    body = json.loads(done.stdout)
    assert body["stage"] == "export" and body["counts"]["pairs"] == 7 and body["warnings"] == []


def test_a_dry_run_writes_nothing(games: Path, tmp_path: Path):
    done = vz("export", games, "--out", tmp_path / "set", "--dry-run", "--json")
    assert json.loads(done.stdout)["reads"] == {"games": str(games)} and not (tmp_path / "set").exists()


def test_bad_input_is_one_line_and_exit_code_2(games: Path, tmp_path: Path):
    for arguments in ([tmp_path], [games, "--to", "csv"], [games, "--license", "a b"]):
        done = vz("export", *arguments, "--out", tmp_path / "set")
        assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
