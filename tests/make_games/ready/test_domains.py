"""The place of ready pictures tells what they show. Without a sign nothing becomes a photo."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.make_games import Sources, run
from stages.make_games.ready.domains import domain_by_word
from tests.make_games.ready.samples import made_from, photo, recipe, rows, write_pair


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("ChartQA", "chart"), ("ChartQA Dataset", "chart"), ("chartqa", "chart"), ("HuggingFaceM4/ChartQA", "chart"),
        ("datasets--HuggingFaceM4--ChartQA", "chart"), ("my-charts_2", "chart"), ("CLEVR_v1.0", "clevr"),
        ("clevr-change", "clevr"), ("ImgEdit", "photo"), ("MagicBrush", "photo"), ("holiday photos", "photo"),
        ("charters", None), ("Super-clever", None), ("photography", None), ("pairs", None), ("", None),
    ],
)  # fmt: skip
def test_the_domain_follows_from_the_name(name: str, domain: str | None):
    assert domain_by_word(name) == domain


PLACES = {
    "named after the data set": ("ChartQA", "one"),
    "a split of it": ("ChartQA Dataset/train", "one"),
    "a snapshot in the hub's cache": (f"datasets--HuggingFaceM4--ChartQA/snapshots/{'a1' * 20}/data", "one"),
    "its layout": ("unnamed", "train/png/one"),
    "a part of its layout": ("unnamed/val/png", "one"),
}


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("view", ["modified", "blank"])
def test_a_copy_of_a_chart_data_set_is_of_charts(where: str, view: str, tmp_path: Path):
    given, inside = PLACES[where]
    write_pair((tmp_path / given / inside).parent, "one")
    if "layout" in where:
        pictures = next(tmp_path.rglob("png"))
        (pictures.parent / "tables").mkdir()
        (pictures.parent / "tables" / "one.csv").write_text("a,b\n1,2\n")
    report = run(recipe(f"game.spy_view={view}"), tmp_path / "games", sources=Sources(ready=str(tmp_path / given)))
    assert {row["domain"] for row in rows(report.out)} == {"chart"}
    assert not any("games.domain" in warning for warning in report.warnings)


def test_what_nothing_tells_is_a_picture_and_that_is_said(tmp_path: Path):
    write_pair(tmp_path / "in")
    report = run(recipe(), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))
    assert [row["domain"] for row in rows(report.out)] == ["picture"]
    assert any("--set games.domain=photo" in warning for warning in report.warnings)


@pytest.mark.parametrize("domain", ["photo", "chart", "clevr", "picture"])
def test_the_remedies_of_that_warning_work(domain: str, tmp_path: Path):
    write_pair(tmp_path / "in")
    report = run(recipe(f"games.domain={domain}"), tmp_path / "games", sources=Sources(ready=str(tmp_path / "in")))
    assert [row["domain"] for row in rows(report.out)] == [domain]
    assert not any("games.domain" in warning for warning in report.warnings)


def test_a_row_with_a_domain_keeps_it_in_any_place(tmp_path: Path):
    photo().save(tmp_path / "a.png")
    (tmp_path / "charts.csv").write_text("image,domain\na.png,photo\n")
    assert [row["domain"] for row in rows(made_from(tmp_path / "charts.csv", tmp_path, "game.spy_view=blank"))] == [
        "photo"
    ]
