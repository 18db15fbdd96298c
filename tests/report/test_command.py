"""`vz report` on the command line."""

import json
import sys
from pathlib import Path

import pytest

from stages import report
from stages.core.errors import MissingExtra
from stages.report.stage import TEMPLATES
from tests.cli import vz


def test_json_is_one_object(run: Path, tmp_path: Path):
    done = vz("report", run, "--out", tmp_path / "page.html", "--games", "1", "--json")
    body = json.loads(done.stdout)
    assert done.returncode == 0 and body["stage"] == "report" and body["counts"]["games"] == 1
    assert Path(body["out"]) == tmp_path / "page.html" and (tmp_path / "page.html").is_file()


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path):
    done = vz("report", tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "vz iterate run" in done.stderr
    assert vz("report", tmp_path, "--games", "-1").returncode == 2 and not list(tmp_path.iterdir())


def test_the_templates_are_in_the_package():
    """hatch packs everything in `stages`, so they must be there."""
    assert {path.name for path in TEMPLATES.iterdir()} == {
        "report.html.j2",
        "page.css",
        "page.js",
    }


def test_without_the_charting_library_the_extra_is_named_before_work_begins(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtra, match=r"pip install 'vz-selfplay\[report\]'"):
        report.run(run / "not even a run")
