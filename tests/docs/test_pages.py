"""Every command and snippet of README and docs runs, and every link leads somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.docs.blocks import blocks, given
from tests.docs.run import run
from tests.docs.settings import check_settings
from tests.docs.small import ROOT

pytestmark = pytest.mark.docs
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]*)(?:#[^)\s]*)?\)")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


RUN_ELSEWHERE = "docs/doors"  # tests/test_doors.py runs these examples and checks what they do


@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page) and not name(page).startswith(RUN_ELSEWHERE)], ids=name
)
def test_every_block_runs(page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for folder, name_there in given(page):
        shutil.copytree(request.getfixturevalue("world") / folder, tmp_path / name_there, symlinks=True)
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        print(block)
        run(block)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file(page: Path):
    targets = [target for target in LINK.findall(page.read_text(encoding="utf-8")) if target]
    local = [target for target in targets if "://" not in target and not target.startswith("mailto:")]
    generated = {"commands.md", "recipe.md", "tables.md"}  # docs/reference.py writes these
    missing = [
        target
        for target in local
        if not (page.parent / target).exists() and not ("reference/" in target and Path(target).name in generated)
    ]
    assert not missing


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_setting_that_a_page_names_exists(page: Path):
    check_settings(page.read_text(encoding="utf-8"))
