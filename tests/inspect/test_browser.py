"""The gallery in a real browser: pictures load, filters work, nothing is fetched, run or printed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stages.inspect.show import show
from tests.browser import SIZES, WIDER, Tab, chromium
from tests.inspect.folders import EVIL, all_kinds, evil_pairs, write_pairs

pytestmark = pytest.mark.browser
KINDS = ["one", "two", "chart", "photo", "blank", "equal", "sizes"]

LOADED = "() => [...document.images].map((image) => [image.complete, image.naturalWidth])"
SHOWN = """() => [...document.querySelectorAll(".pair")].filter((pair) => pair.checkVisibility())
  .map((pair) => pair.querySelector("h3").innerText)"""
UNNAMED = """() => [...document.querySelectorAll("button, input, select, img")].filter((part) =>
  !(part.alt || part.labels?.length || part.textContent.trim())).map((part) => part.outerHTML)"""
PLACES = """(pair) => [...pair.querySelectorAll(".picture")].map((picture) => {
  const [box, all] = [picture, picture.parentElement].map((part) => part.getBoundingClientRect());
  return [Math.round(box.left - all.left), Math.round(box.top - all.top)];
})"""
OUTLINE = """(pair) => {
  const [frame, box] = [".frame", "rect.line"].map((name) => pair.querySelector(name).getBoundingClientRect());
  return ["left", "right"].map((side) => (box[side] - frame.left) / frame.width)
    .concat(["top", "bottom"].map((side) => (box[side] - frame.top) / frame.height));
}"""


class Gallery(Tab):
    """The gallery in a tab."""

    def pair(self, name: str) -> Any:
        return self.page.locator(".pair").filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def shown(self) -> list[str]:
        """The names of the pairs that can be seen."""
        names: list[str] = self.page.evaluate(SHOWN)
        return names

    def choose(self, **values: str) -> None:
        for name, value in values.items():
            self.page.locator(f"select[name={name}]").select_option(label=value)

    @property
    def count(self) -> str:
        return str(self.page.locator("output").inner_text())


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    return show(write_pairs(folder / "games", all_kinds()), folder / "gallery.html").out


@pytest.fixture(scope="module")
def evil_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    skipped = [{"pair_id": text, "source": text, "reason": text, "detail": text} for text in EVIL]
    games = write_pairs(folder / "<b onclick=alert(5)>games", evil_pairs(), skipped)
    return show(games, folder / "gallery.html").out


@pytest.fixture(scope="module")
def browser(page_file: Path, evil_file: Path) -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def tab(browser: Any) -> Iterator[Gallery]:
    context = browser.new_context(viewport=SIZES["desktop"])
    yield Gallery(context.new_page()).watch()
    context.close()


@pytest.fixture(scope="module")
def filtered(browser: Any, page_file: Path) -> Iterator[Gallery]:
    """One tab for all that is filtered; each test leaves it as it was."""
    context = browser.new_context(viewport=SIZES["desktop"])
    tab = Gallery(context.new_page()).watch()
    tab.open(page_file)
    yield tab
    tab.check_quiet(page_file)
    context.close()


def test_every_picture_loads(tab: Gallery, page_file: Path):
    tab.open(page_file)
    tab.page.wait_for_function("() => [...document.images].every((image) => image.complete)")
    loaded = tab.page.evaluate(LOADED)
    assert loaded == [[True, 120]] * 12 + [[True, 60]] and tab.count == "7 of 7 shown"
    assert tab.pair("blank").locator(".blank").is_visible()
    tab.check_quiet(page_file)


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ({"domain": "photo"}, ["photo", "blank", "sizes"]),
        ({"split": "dev"}, ["two"]),
        ({"source": "tables:sales.csv"}, ["chart"]),
        ({"attribute": "shape"}, ["two"]),
        ({"attribute": "color"}, ["one", "two", "equal"]),
        ({"objects": "2"}, ["two"]),
        ({"objects": "0"}, ["photo", "blank", "sizes"]),
        ({"kind": "look the same"}, ["equal"]),
        ({"kind": "one is empty"}, ["blank"]),
        ({"domain": "clevr", "attribute": "color", "objects": "1"}, ["one", "equal"]),
    ],
)
def test_a_filter_keeps_the_matching_pairs(filtered: Gallery, choice: dict[str, str], left: list[str]):
    filtered.choose(**choice)
    assert filtered.shown() == left and filtered.count == f"{len(left)} of 7 shown"
    filtered.page.get_by_role("button", name="Reset").click()
    filtered.page.wait_for_function("() => !document.querySelector('.pair[hidden]')")
    assert filtered.shown() == KINDS and filtered.count == "7 of 7 shown"


@pytest.mark.parametrize(
    ("words", "left"),
    [
        ("two", ["two"]),
        ("RED  blue", ["one", "two", "equal"]),
        ("2020", ["chart"]),
        ("rubber sphere", ["two"]),
        ("→ 5", ["chart"]),
    ],
)
def test_a_search_matches_every_word(filtered: Gallery, words: str, left: list[str]):
    filtered.page.get_by_label("Search").fill(words)
    assert filtered.shown() == left and filtered.count == f"{len(left)} of 7 shown"
    filtered.page.get_by_label("Search").fill("")


def test_without_matches_a_button_shows_all_pairs(filtered: Gallery):
    filtered.page.get_by_label("Search").fill("no such pair")
    assert filtered.shown() == [] and filtered.count == "0 of 7 shown"
    filtered.page.get_by_role("button", name="Show all").click()
    filtered.page.wait_for_function("() => !document.querySelector('.pair[hidden]')")
    assert filtered.shown() == KINDS and not filtered.page.locator(".none").is_visible()


def test_outlines_surround_what_changed(tab: Gallery, page_file: Path):
    tab.open(page_file)
    left, right, top, bottom = tab.pair("one").evaluate(OUTLINE)  # the square is at (12, 32) to (28, 48) of 120 x 80
    assert 0 < left <= 12 / 120 and 28 / 120 <= right < 0.3 and 0.3 < top <= 32 / 80 and 48 / 80 <= bottom < 0.7
    numbers = "(pair) => [...pair.querySelectorAll('.outlines text')].map((text) => text.lastChild.data)"
    assert tab.pair("two").evaluate(numbers) == ["0", "1"] * 2
    assert tab.pair("equal").locator(".outlines").count() == 0


def test_outlines_are_hidden_by_button_and_by_key(tab: Gallery, page_file: Path):
    tab.open(page_file)
    box, button = tab.pair("one").locator("rect.line").first, tab.page.get_by_role("button", name="Outlines")
    assert box.is_visible() and button.get_attribute("aria-pressed") == "true"
    button.click()
    assert not box.is_visible() and button.get_attribute("aria-pressed") == "false"
    tab.page.keyboard.press("o")
    assert box.is_visible()
    tab.page.get_by_label("Search").fill("")
    tab.page.keyboard.press("o")
    assert box.is_visible() and tab.page.get_by_label("Search").input_value() == "o"


@pytest.mark.parametrize("size", SIZES)
def test_flickering_pictures_change_places(tab: Gallery, page_file: Path, size: str):
    tab.page.clock.install()
    tab.page.set_viewport_size(SIZES[size])
    tab.open(page_file)
    pair = tab.pair("one")
    button, at_rest = pair.locator("[data-do=flicker]"), pair.evaluate(PLACES)
    button.click()
    assert pair.evaluate(PLACES) == at_rest[::-1] and button.inner_text() == "Stop"
    tab.page.clock.run_for(750)
    assert pair.evaluate(PLACES) == at_rest
    tab.page.clock.run_for(700)
    assert pair.evaluate(PLACES) == at_rest[::-1]
    button.click()
    assert pair.evaluate(PLACES) == at_rest and button.inner_text() == "Flicker"
    tab.page.clock.run_for(3000)
    assert pair.evaluate(PLACES) == at_rest
    tab.check_quiet(page_file)


def test_one_pair_flickers_at_a_time_and_escape_ends_it(tab: Gallery, page_file: Path):
    tab.page.clock.install()
    tab.open(page_file)
    one, two = (tab.pair(name) for name in ("one", "two"))
    at_rest = two.evaluate(PLACES)
    one.locator("[data-do=flicker]").click()
    two.locator("h3").click()
    tab.page.keyboard.press("f")
    assert [pair.locator("[data-do=flicker]").inner_text() for pair in (one, two)] == ["Flicker", "Stop"]
    assert two.evaluate(PLACES) == at_rest[::-1]
    tab.page.keyboard.press("Escape")
    assert two.evaluate(PLACES) == at_rest and two.locator("[data-do=flicker]").inner_text() == "Flicker"


def test_with_reduced_motion_a_press_swaps_once(browser: Any, page_file: Path):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.clock.install()
    page.goto(page_file.as_uri())
    pair = page.locator(".pair").first
    button, at_rest = pair.locator("[data-do=flicker]"), pair.evaluate(PLACES)
    assert button.inner_text() == "Swap"
    button.click()
    page.clock.run_for(5000)
    assert pair.evaluate(PLACES) == at_rest[::-1] and button.get_attribute("aria-pressed") == "true"
    button.click()
    assert pair.evaluate(PLACES) == at_rest and button.get_attribute("aria-pressed") == "false"
    context.close()


def test_the_keyboard_reaches_all_filters(tab: Gallery, page_file: Path):
    tab.open(page_file)
    reached = []
    for _ in range(9):
        tab.page.keyboard.press("Tab")
        reached.append(tab.page.evaluate("() => document.activeElement.name || document.activeElement.textContent"))
    assert reached[:7] == ["text", "domain", "split", "source", "attribute", "objects", "kind"]
    assert reached[7].startswith("Outlines") and reached[8] == "Reset"
    assert tab.page.evaluate(UNNAMED) == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["page_file", "evil_file"])
def test_the_page_is_no_wider_than_the_screen(tab: Gallery, request: pytest.FixtureRequest, name: str, size: str):
    tab.page.set_viewport_size(SIZES[size])
    tab.open(request.getfixturevalue(name))
    assert tab.page.evaluate(WIDER) <= 0


def test_hostile_names_are_only_text(tab: Gallery, evil_file: Path):
    tab.open(evil_file)
    assert [name.split() for name in tab.shown()] == [text.split() for text in EVIL]
    for number, text in enumerate(EVIL):
        for name in ("source", "attribute"):
            tab.page.locator(f"select[name={name}]").select_option(value=f"={text}")
            assert [each.split() for each in tab.shown()] == [EVIL[number].split()]
            tab.page.locator(f"select[name={name}]").select_option(value="")
    tab.page.locator("summary").click()
    tab.page.mouse.move(300, 600)
    assert tab.page.locator("script").count() == 1 and tab.page.locator("main b:not(.number)").count() == 0
    assert tab.page.evaluate("() => [...document.querySelectorAll('*')].flatMap((part) => "
                             "[...part.attributes]).filter((one) => one.name.startsWith('on')).length") == 0  # fmt: skip
    tab.check_quiet(evil_file)


def test_without_scripts_all_pairs_are_visible(browser: Any, page_file: Path):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(page_file.as_uri())
    assert page.locator(".pair").count() == 7 and page.locator(".pair").last.is_visible()
    assert page.locator("rect.line").first.is_visible()
    assert not page.locator(".filters").is_visible() and not page.locator("[data-do=flicker]").first.is_visible()
    context.close()


def test_dark_is_dark(browser: Any, page_file: Path):
    shades = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(page_file.as_uri())
        colours = "() => [getComputedStyle(document.body), getComputedStyle(document.querySelector('select'))].map((s) => [s.backgroundColor, s.color])"
        found = [sum(map(int, shade[4:-1].split(","))) for pair in page.evaluate(colours) for shade in pair]
        shades[scheme] = found
        context.close()
    assert all(
        ground > 600 > 200 > ink for ground, ink in zip(shades["light"][::2], shades["light"][1::2], strict=True)
    )
    assert all(ground < 150 < 500 < ink for ground, ink in zip(shades["dark"][::2], shades["dark"][1::2], strict=True))
