"""The view in a real browser: it keeps up with a run without moving the page, and no other site gets anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from stages.view.server import serving
from tests.browser import SIZES, WIDER, Tab, chromium
from tests.view.conftest import GAMES, RARE, SmallRun

pytestmark = pytest.mark.browser
ROWS = "() => document.querySelectorAll('#rounds tbody tr').length"
PLACE = "() => document.querySelectorAll('.figure')[6].getBoundingClientRect().top"  # on the screen
LOADED = "() => [...document.images].map((image) => image.complete && image.naturalWidth)"
Opener = Callable[..., Tab]


@pytest.fixture(scope="module")
def browser(two_rounds: SmallRun, evil_run: Path) -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture
def enter(browser: Any) -> Iterator[Opener]:
    """Opens the view of some runs with its token. At the end nothing may have been printed."""
    with ExitStack() as stack:
        tabs = []

        def open_view(*runs: Path, size: str = "desktop", scheme: str = "light") -> Tab:
            address = stack.enter_context(serving(runs))
            context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, base_url=address.split("?")[0])
            stack.callback(context.close)
            context.set_default_timeout(180_000)  # on a busy machine the first charts take long
            tabs.append(Tab(context.new_page()).watch())
            tabs[-1].page.goto(address)
            tabs[-1].page.wait_for_selector(".standing")
            return tabs[-1]

        yield open_view
        assert [tab.messages for tab in tabs if tab.messages] == []


def play(run: SmallRun, rounds: int) -> None:
    """In another thread: the browser's event loop runs in this one."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(run.play, rounds).result()


def test_the_page_grows_as_rounds_end_and_stays_where_it_is(enter: Opener, run: SmallRun):
    page = enter(run.folder).page
    assert page.evaluate(ROWS) == 2
    page.evaluate(
        "() => { window.same = true; document.querySelector('.warnings')?.setAttribute('open', ''); scrollTo(0, 900); }"
    )
    place = page.evaluate(PLACE)
    before = page.locator(".chart").first.get_attribute("aria-label")
    play(run, 3)
    page.wait_for_function(f"{ROWS} === 3")
    assert page.evaluate("() => window.same") and abs(page.evaluate(PLACE) - place) < 2
    assert "(round 3)" in page.locator(".chart").first.get_attribute("aria-label") != before
    assert page.locator("progress").get_attribute("value") == "3"
    assert "All 3 rounds are finished." in page.locator(".standing").inner_text()


def test_the_page_fills_when_the_first_round_ends(enter: Opener, run: SmallRun):
    state = (run.folder / "state.json").rename(run.folder / "later.json")
    page = enter(run.folder).page
    assert page.get_by_text("No round is finished yet.").is_visible() and page.locator(".chart").count() == 0
    state.rename(run.folder / "state.json")
    page.wait_for_function(f"{ROWS} === 2")
    assert page.locator(".chart").count() == 13


def test_what_a_reader_selects_is_not_replaced(enter: Opener, run: SmallRun):
    page = enter(run.folder).page
    page.evaluate("() => getSelection().selectAllChildren(document.querySelector('dl.live'))")
    play(run, 3)
    page.wait_for_timeout(5000)
    assert page.evaluate(ROWS) == 2 and "2 of 2" in page.evaluate("() => getSelection().toString()")
    page.evaluate("() => getSelection().removeAllRanges()")
    page.wait_for_function(f"{ROWS} === 3")


def test_a_list_of_games_tells_that_there_are_more(enter: Opener, run: SmallRun):
    page = enter(run.folder).page
    page.get_by_role("link", name="Games").click()
    assert page.locator(".count output").inner_text() == f"{2 * GAMES} games"
    play(run, 3)
    page.get_by_role("link", name="Another round has ended").click()
    page.wait_for_function(f"() => document.querySelector('output').textContent === '{3 * GAMES} games'")


def test_a_game_is_found_by_text_and_shows_its_pictures_and_thoughts(enter: Opener, two_rounds: SmallRun):
    page = enter(two_rounds.folder).page
    page.get_by_role("link", name="Games").click()
    page.get_by_label("Text").fill(RARE[:12].upper())
    page.keyboard.press("Enter")
    page.wait_for_selector("mark")
    assert page.locator(".list li").count() == 2 and {mark.inner_text() for mark in page.locator("mark").all()} == {
        RARE[:12]
    }
    page.get_by_label("Round").select_option("2")
    page.wait_for_function("() => document.querySelectorAll('.list li').length === 1")
    page.locator(".list h3 a").click()
    page.wait_for_selector(".arrows")
    page.wait_for_function(
        "() => [...document.querySelectorAll('main > .pictures img')].every((image) => image.complete)"
    )
    assert page.evaluate(LOADED)[:2] == [24, 24] and page.locator("line").count() >= 1
    turn = page.locator("article", has=page.locator(".text", has_text=RARE))
    assert not turn.get_by_text("Only I know 1.").is_visible()
    turn.get_by_text("Private thought").click()
    assert turn.get_by_text("Only I know 1.").is_visible()


def test_other_sites_get_nothing(enter: Opener, two_rounds: SmallRun):
    tab = enter(two_rounds.folder)
    inside, page = tab.page.url, tab.page.context.new_page()
    page.route("http://*.example/", lambda route: route.fulfill(body="<title>evil</title>", content_type="text/html"))
    page.goto("http://evil.example/")
    ask = "(url) => fetch(url, {credentials: 'include', mode: MODE}).then((got) => got.text()).catch(() => 'refused')"
    assert page.evaluate(ask.replace("MODE", "'cors'"), inside) == "refused"
    assert page.evaluate(ask.replace("MODE", "'no-cors'"), inside) in ("", "refused")
    picture = "(url) => new Promise((end) => { const it = new Image(); it.onload = () => end('shown'); it.onerror = () => end('refused'); it.src = url; })"
    address = tab.page.evaluate("() => fetch('/1/games').then((got) => got.text())")
    file = address.split('<img src="')[1].split('"')[0].replace("&amp;", "&")
    assert page.evaluate(picture, inside.removesuffix("/1/") + file) == "refused"
    assert tab.page.evaluate(picture, file) == "shown"
    frame = "(url) => new Promise((end) => { const it = document.createElement('iframe'); it.onload = () => { try { it.contentDocument.body; end('same'); } catch { end('refused'); } }; it.src = url; document.body.append(it); })"
    page.evaluate(frame, inside)
    assert [one.locator(".standing").count() for one in page.frames] == [0, 0]


def test_a_view_that_has_ended_says_so(browser: Any, two_rounds: SmallRun):
    context = browser.new_context()
    page = context.new_page()
    with serving([two_rounds.folder]) as address:
        page.goto(address)
        page.wait_for_selector(".standing")
        assert not page.get_by_text("The view has ended").is_visible()
    page.get_by_text("The view has ended").wait_for()
    context.close()


@pytest.mark.parametrize("size", SIZES)
def test_no_page_is_wider_than_the_screen(enter: Opener, evil_run: Path, two_rounds: SmallRun, size: str):
    page = enter(evil_run, two_rounds.folder, size=size).page
    widths = {"/": page.evaluate(WIDER)}
    for place in ("1/", "1/games", "2/games?text=teapot"):
        page.goto(place)
        widths[place] = page.evaluate(WIDER)
    page.goto("1/games")
    page.locator(".list h3 a").first.click()
    page.wait_for_selector(".arrows")
    page.evaluate("() => document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    widths["game"] = page.evaluate(WIDER)
    assert max(widths.values()) <= 0, widths


def test_dark_is_dark(enter: Opener, two_rounds: SmallRun):
    shades = {}
    for scheme in ("light", "dark"):
        page = enter(two_rounds.folder, scheme=scheme).page
        page.goto("1/games")
        colours = (
            "() => [document.body, document.querySelector('input')].map((e) => getComputedStyle(e).backgroundColor)"
        )
        shades[scheme] = [sum(map(int, shade[4:-1].split(","))) for shade in page.evaluate(colours)]
    assert min(shades["light"]) > 600 and max(shades["dark"]) < 150
