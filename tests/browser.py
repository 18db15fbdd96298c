"""A real browser for the tests of pages, and a tab that records what a page requests and prints."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 800}}
WIDER = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


@contextmanager
def chromium() -> Iterator[Any]:
    """Headless Chromium; where there is none the test is skipped. Pages are written before: it starts an event loop."""
    playwright = pytest.importorskip("playwright.sync_api", reason="extra 'dev' (playwright) is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as tools:
        running = tools.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False)
        yield running
        running.close()


@dataclass
class Tab:
    """A browser's page, with its requests, and its messages, errors and dialogs."""

    page: Any
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def watch(self) -> Self:
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: self.messages.append(f"dialog {dialog.message}"))
        return self

    def open(self, file: Path) -> None:
        self.page.goto(file.as_uri())
        self.check_quiet(file)

    def check_quiet(self, file: Path) -> None:
        """The page requested no other file and printed nothing."""
        others = [url for url in self.requests if url != file.as_uri() and not url.startswith("data:")]
        assert not others and not self.messages
