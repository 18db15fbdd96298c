"""`vz inspect` on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli import vz


@pytest.mark.parametrize(("option", "name"), [("--gallery", "g.html"), ("--contact-sheet", "s.png")])
def test_the_pairs_are_written_to_a_file(kinds: Path, tmp_path: Path, option: str, name: str):
    body = json.loads(vz("inspect", kinds, option, tmp_path / name, "--limit", "2", "--json").stdout)
    assert body["counts"]["pairs"] == 2 and body["out"] == str(tmp_path / name) and (tmp_path / name).is_file()


def test_without_options_the_folder_is_described(kinds: Path):
    done = vz("inspect", kinds, "--json")
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
    done = vz("inspect", kinds, *options)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr
