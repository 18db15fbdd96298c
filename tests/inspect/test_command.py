"""`vz inspect` on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def vz(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vzcli.main", "inspect", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("option", "name"), [("--gallery", "g.html"), ("--contact-sheet", "s.png")])
def test_the_pairs_are_written_to_a_file(kinds: Path, tmp_path: Path, option: str, name: str):
    body = json.loads(vz(kinds, option, tmp_path / name, "--limit", "2", "--json").stdout)
    assert body["counts"]["pairs"] == 2 and body["out"] == str(tmp_path / name) and (tmp_path / name).is_file()


def test_without_options_the_folder_is_described(kinds: Path):
    done = vz(kinds, "--json")
    assert "an output of 'make-games'" in json.loads(done.stdout)["title"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gallery", "g.html", "--game", "1"], "give only one of them"),
        (["--gallery", "g.html", "--contact-sheet", "s.png"], "give only one of them"),
        (["--turn", "1"], "--turn needs --game"),
        (["--pairs", "one"], "--pairs needs --gallery"),
        (["--gallery", "g.html", "--pairs", "other"], "has no pair 'other'"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(kinds: Path, options: list[str], message: str):
    done = vz(kinds, *options)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
