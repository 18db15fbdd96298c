"""`vz inspect --gallery` and `--contact-sheet` as a user meets them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def vz(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vzcli.main", "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_both_are_written_at_once(kinds: Path, tmp_path: Path):
    done = vz(kinds, "--gallery", tmp_path / "g.html", "--contact-sheet", tmp_path / "s.png", "--limit", "2", "--json")
    body = json.loads(done.stdout)
    assert body["counts"]["gallery"]["pairs"] == body["counts"]["contact_sheet"]["pairs"] == 2
    assert body["out"] == str(tmp_path / "g.html") and Path(body["counts"]["contact_sheet"]["file"]).is_file()


def test_without_them_the_folder_is_described(kinds: Path):
    done = vz(kinds, "--json")
    assert "an output of 'make-games'" in json.loads(done.stdout)["title"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gallery", "g.html", "--game", "1"], "give one of them"),
        (["--pairs", "one"], "--pairs needs --gallery"),
        (["--gallery", "g.html", "--pairs", "other"], "has no pair 'other'"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(kinds: Path, options: list[str], message: str):
    done = vz(kinds, *options)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
