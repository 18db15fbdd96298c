"""The page in a real browser: charts are drawn, words do not overlap, games are replayed, nothing is fetched or run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages import report
from stages.core.folder.artifact import Report
from stages.core.pages import fill
from stages.core.pages.benchmarks import Benchmarks
from stages.core.pages.curves import Chart, Curve
from stages.report.stage import COMMAND, templates
from tests.browser import SIZES, WIDER, Tab, chromium
from tests.report.runs import EVIL, change_rounds

pytestmark = pytest.mark.browser

# Words overlap when their boxes share more than a hair; axis labels of a chart may reach into the padding of its card.
OVERLAPS = """() => [...document.querySelectorAll(".figure")].flatMap((figure) => {
  const card = figure.getBoundingClientRect();
  const texts = [...figure.querySelectorAll("text, figcaption, li")].filter((text) => text.textContent.trim());
  const boxes = texts.map((text) => [text.textContent.trim(), text.getBoundingClientRect()]);
  const apart = (a, b) => a.right - b.left < 1 || b.right - a.left < 1 || a.bottom - b.top < 2 || b.bottom - a.top < 2;
  const outside = boxes.filter(([, box]) => box.left < card.left || box.right > card.right
    || box.top < card.top || box.bottom > card.bottom);
  const over = boxes.flatMap(([a, one], place) => boxes.slice(place + 1)
    .filter(([, other]) => !apart(one, other)).map(([b]) => `${a} | ${b}`));
  return [...over, ...outside.map(([text]) => `${text} is outside`)];
})"""
LINES = """() => [...document.querySelectorAll("svg.chart")].map((svg) => [...svg.querySelectorAll(".mark-line path")]
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
    charts = [chart(name, {name: y}, x=[1, 5000, 12345]) for name, y in extremes]
    charts.append(chart("many", {name: [0.1 * place, 0.2] for place, name in enumerate(names)}, x=[1, 2]))
    (folder / "extremes.html").write_text(page_of_charts(charts), encoding="utf-8")
    return folder


def chart(title: str, curves: dict[str, list[Any]], x: list[int]) -> Chart:
    drawn = [
        Curve(name, {at: (value, None, None) for at, value in zip(x, values, strict=True)})
        for name, values in curves.items()
    ]
    return Chart(title, "value", drawn, (x[0], x[-1]), reference=(0.25, "chance 1/4"))


def lively(row: dict[str, Any]) -> None:
    """Figures that move: the stub trainer's are all 0, and a flat line has no height."""
    number = row["iteration"]
    row["train"] |= {name: value * 1.3**number for name, value in row["train"].items() if isinstance(value, float)}
    row["train"] |= dict.fromkeys(("loss", "kl", "grad_norm", "entropy", "logprob_gap_mean"), 0.1 / number)
    row |= {"kept": number, "completion_tokens": 100 * number, "truncated": number}


def page_of_charts(charts: list[Chart]) -> str:
    empty: dict[str, Any] = {
        "facts": {},
        "evaluations": [],
        "columns": [],
        "rounds": [],
        "replays": [],
        "warnings": [],
        "benchmarks": Benchmarks(),
    }
    values = {**empty, "name": "charts", "charts": charts}
    return fill(templates(), "report.html.j2", values, command=COMMAND)


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
    assert len(lines) == 13 and all(lines)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("file", ["report.html", "extremes.html"])
def test_words_do_not_overlap_and_the_page_is_no_wider_than_the_screen(tab: Tab, pages: Path, file: str, size: str):
    tab.page.set_viewport_size(SIZES[size])
    tab.open(pages / file)
    assert tab.page.evaluate(OVERLAPS) == [] and tab.page.evaluate(WIDER) <= 0


def test_hovering_highlights_a_round_and_names_its_values(tab: Tab, pages: Path):
    tab.open(pages / "report.html")
    bar = tab.page.locator(".chart").first.locator(".tooltip").nth(2)
    opacity = "(bar) => Number(getComputedStyle(bar).opacity)"
    assert bar.evaluate(opacity) == 0
    box = bar.evaluate(
        "(bar) => { const b = bar.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }"
    )
    tab.page.mouse.move(*box)
    assert bar.evaluate(opacity) > 0.1 and "round 3\nvote accuracy: " in bar.text_content()


def test_a_game_is_replayed_until_its_votes(tab: Tab, pages: Path):
    tab.open(pages / "report.html")
    game, other = tab.page.locator(".game").nth(0), tab.page.locator(".game").nth(1)
    clues, following, result = game.locator(".text"), game.locator("[data-do=next]"), game.locator(".result")
    shown = lambda: [clue.is_visible() for clue in clues.all()]  # noqa: E731
    assert shown() == [False] * 4 and not result.is_visible() and game.locator("[data-do=prev]").is_disabled()
    for turn in range(1, 5):
        following.click()
        assert shown() == [place < turn for place in range(4)] and not result.is_visible()
    following.click()
    assert result.is_visible() and following.is_disabled() and "win" in result.inner_text()
    assert all(cell.is_visible() for cell in game.locator(".count span").all())
    assert max(bar.bounding_box()["width"] for bar in game.locator(".fill").all()) > 10
    assert not other.locator(".text").first.is_visible()
    game.locator("[data-do=prev]").click()
    assert not result.is_visible() and shown() == [True] * 4 and not tab.messages


def test_the_arrow_keys_step_the_game_last_touched(tab: Tab, pages: Path):
    tab.open(pages / "report.html")
    counts = [game.locator("output") for game in tab.page.locator(".game").all()]
    counts[0].scroll_into_view_if_needed()
    tab.page.keyboard.press("ArrowRight")
    assert [count.inner_text() for count in counts] == ["1 / 5", "0 / 5", "0 / 5"]
    tab.page.locator(".game").nth(1).locator("h3").click()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "a"):
        tab.page.keyboard.press(key)
    assert [count.inner_text() for count in counts] == ["1 / 5", "1 / 5", "0 / 5"]


def test_play_runs_to_the_end_and_can_be_paused(tab: Tab, pages: Path):
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
    assert (count.inner_text(), button.inner_text()) == ("5 / 5", "Replay") and not tab.messages


def test_what_a_model_wrote_does_not_run(tab: Tab, evil_report: Report):
    file = evil_report.out
    tab.open(file)
    game = tab.page.locator(".game").first
    for place, clue in enumerate(EVIL):
        game.locator("[data-do=next]").click()
        assert " ".join(game.locator(".text").nth(place).inner_text().split()) == " ".join(clue.split())
    tab.page.mouse.move(300, 300)
    assert tab.page.locator("script").count() == 1 and not tab.messages
    assert [url for url in tab.requests if not url.startswith("data:")] == [file.as_uri()]


def test_without_scripts_charts_and_whole_games_are_visible(browser: Any, pages: Path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((pages / "report.html").as_uri())
    game = page.locator(".game").first
    assert game.locator(".text").last.is_visible() and game.locator(".result").is_visible()
    assert not game.locator(".controls").is_visible() and all(page.evaluate(LINES))
    context.close()


def test_dark_is_dark(browser: Any, pages: Path):
    shades = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto((pages / "report.html").as_uri())
        colours = "() => [document.body, document.querySelector('.chart text')].map((e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).fill])"
        body, text = page.evaluate(colours)
        shades[scheme] = (sum(map(int, body[0][4:-1].split(","))), sum(map(int, text[1][4:-1].split(","))))
        context.close()
    assert shades["light"][0] > 600 > 350 > shades["light"][1] and shades["dark"][0] < 150 < 450 < shades["dark"][1]
