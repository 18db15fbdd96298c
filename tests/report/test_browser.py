"""The page in a real browser: charts have a size, words do not overlap, games are replayed, nothing is fetched or run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import report
from stages.report.curves import Series, chart
from stages.report.page import render
from tests.browser import SIZES, WIDER, Tab, chromium
from tests.report.runs import EVIL, change_rounds

pytestmark = pytest.mark.browser

# Two texts overlap when their boxes share more than a hair; y labels are turned, so their boxes are right as well.
OVERLAPS = """() => [...document.querySelectorAll("svg.vz-chart")].flatMap((svg) => {
  const field = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
  const apart = (a, b) => a.right - b.left < 1 || b.right - a.left < 1 || a.bottom - b.top < 2 || b.bottom - a.top < 2;
  const outside = boxes.filter(([, box]) => box.left < field.left - 1 || box.right > field.right + 1
    || box.top < field.top - 1 || box.bottom > field.bottom + 1);
  const over = boxes.flatMap(([a, one], place) => boxes.slice(place + 1)
    .filter(([, other]) => !apart(one, other)).map(([b]) => `${a} | ${b}`));
  return [...over, ...outside.map(([text]) => `${text} is outside`)];
})"""
LINES = """() => [...document.querySelectorAll("svg.vz-chart")].map((svg) => [...svg.querySelectorAll("path.line")]
  .map((line) => line.getBoundingClientRect()).filter((box) => box.width > 0 && box.height > 0).length)"""


@pytest.fixture(scope="module")
def pages(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's page and one of extreme charts, written before the browser starts its event loop."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(small_run.parent.parent, folder / "all")
    change_rounds(folder / "all/runs/small", lively)
    report.run(folder / "all/runs/small", folder / "report.html")
    extremes = [
        ("a", [0.0, 1e-9, 2e-9]), ("b", [1e12, 3e12, 9e12]), ("c", [-1234.5, 0, 99999]), ("d", [5, 5, 5]),
        ("a title far too long for its chart, which goes on and on and on and on", [0.1, None, 0.2]),
    ]  # fmt: skip
    names = ["sampled", "true of the civilians' picture", "N/A", "a name for no legend at all " * 4, "WWWWWWWWWW", "6"]
    x = [1, 5000, 12345]
    charts = [chart(name, [Series(name, x, y)], x_label="round", y_label="value") for name, y in extremes]
    many = [Series(name, [1, 2], [0.1 * place, 0.2]) for place, name in enumerate(names)]
    charts.append(chart("many", many, x_label="round", y_label="share", reference=0.25, reference_label="chance 1/4"))
    (folder / "extremes.html").write_text(page_of_charts(charts), encoding="utf-8")
    return folder


def lively(row: dict[str, Any]) -> None:
    """Figures that move: the stub trainer's are all 0, and a flat line has no height."""
    number = row["iteration"]
    row["train"] |= {name: value * 1.3**number for name, value in row["train"].items() if isinstance(value, float)}
    row["train"] |= dict.fromkeys(("loss", "kl", "grad_norm", "entropy", "logprob_gap_mean"), 0.1 / number)
    row |= {"kept": number, "completion_tokens": 100 * number, "truncated": number}


def page_of_charts(charts: list[str]) -> str:
    from markupsafe import Markup

    empty: dict[str, Any] = {"facts": {}, "evaluations": [], "columns": [], "rounds": [], "replays": [], "warnings": []}
    return render({**empty, "name": "charts", "charts": [Markup(svg) for svg in charts]})


@pytest.fixture(scope="module")
def browser(pages: Path) -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    context = browser.new_context(viewport=SIZES["desktop"], reduced_motion="reduce")
    yield Tab(context.new_page()).watch()
    context.close()


def test_all_charts_are_drawn(tab: Tab, pages: Path):
    tab.open(pages / "report.html")
    lines = tab.page.evaluate(LINES)
    assert len(lines) == 12 and all(lines)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("file", ["report.html", "extremes.html"])
def test_words_do_not_overlap_and_the_page_is_no_wider_than_the_screen(tab: Tab, pages: Path, file: str, size: str):
    tab.page.set_viewport_size(SIZES[size])
    tab.open(pages / file)
    assert tab.page.evaluate(OVERLAPS) == [] and tab.page.evaluate(WIDER) <= 0


def test_a_game_is_replayed_until_its_votes(tab: Tab, pages: Path):
    tab.open(pages / "report.html")
    game, other = tab.page.locator(".game").nth(0), tab.page.locator(".game").nth(1)
    clues, following, result = game.locator(".said"), game.locator("[data-do=next]"), game.locator(".result")
    shown = lambda: [clue.is_visible() for clue in clues.all()]  # noqa: E731
    assert shown() == [False] * 4 and not result.is_visible() and game.locator("[data-do=prev]").is_disabled()
    for turn in range(1, 5):
        following.click()
        assert shown() == [place < turn for place in range(4)] and not result.is_visible()
    following.click()
    assert result.is_visible() and following.is_disabled() and "win" in result.inner_text()
    assert all(cell.is_visible() for cell in game.locator(".count span").all())
    assert max(bar.bounding_box()["width"] for bar in game.locator(".fill").all()) > 10
    assert not other.locator(".said").first.is_visible()
    game.locator("[data-do=prev]").click()
    assert not result.is_visible() and shown() == [True] * 4 and not tab.said


def test_the_arrows_step_the_game_last_touched(tab: Tab, pages: Path):
    tab.open(pages / "report.html")
    counts = [game.locator("output") for game in tab.page.locator(".game").all()]
    counts[0].scroll_into_view_if_needed()
    tab.page.keyboard.press("ArrowRight")
    assert [count.inner_text() for count in counts] == ["1 / 5", "0 / 5", "0 / 5"]
    tab.page.locator(".game").nth(1).locator("h3").click()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "a"):
        tab.page.keyboard.press(key)
    assert [count.inner_text() for count in counts] == ["1 / 5", "1 / 5", "0 / 5"]


def test_play_runs_to_the_end_and_can_be_stopped(tab: Tab, pages: Path):
    tab.page.clock.install()
    tab.open(pages / "report.html")
    game = tab.page.locator(".game").first
    count, button = game.locator("output"), game.locator("[data-do=play]")
    button.click()
    assert (count.inner_text(), button.inner_text()) == ("1 / 5", "Pause")
    tab.page.clock.run_for(1500)
    button.click()
    tab.page.clock.run_for(9000)
    assert (count.inner_text(), button.inner_text()) == ("2 / 5", "Play")
    button.click()
    tab.page.clock.run_for(9000)
    assert (count.inner_text(), button.inner_text()) == ("5 / 5", "Again") and not tab.said


def test_what_a_model_wrote_does_nothing(tab: Tab, evil_run: Path):
    file = report.run(evil_run).out
    tab.open(file)
    game = tab.page.locator(".game").first
    for place, clue in enumerate(EVIL):
        game.locator("[data-do=next]").click()
        assert " ".join(game.locator(".said").nth(place).inner_text().split()) == " ".join(clue.split())
    tab.page.mouse.move(300, 300)
    assert tab.page.locator("script").count() == 1 and not tab.said
    assert [url for url in tab.asked if not url.startswith("data:")] == [file.as_uri()]


def test_without_scripts_the_whole_game_is_seen(browser: Any, pages: Path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "report.html").as_uri())
    game = page.locator(".game").first
    assert game.locator(".said").last.is_visible() and game.locator(".result").is_visible()
    assert not game.locator(".controls").is_visible()
    context.close()


def test_dark_is_dark(browser: Any, pages: Path):
    shades = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto((pages / "report.html").as_uri())
        colours = "() => [document.body, document.querySelector('.vz-chart text')].map((e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).fill])"
        body, text = page.evaluate(colours)
        shades[scheme] = (sum(map(int, body[0][4:-1].split(","))), sum(map(int, text[1][4:-1].split(","))))
        context.close()
    assert shades["light"][0] > 600 > 200 > shades["light"][1] and shades["dark"][0] < 150 < 500 < shades["dark"][1]
