"""The page of a run, filled from what the stage has read.

A clue or a picture's name may hold anything a model wrote; `stages.core.pages` sees to it that it is only text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment

from stages.core import pages
from stages.report import curves
from stages.report.axis import short

TEMPLATES = Path(__file__).parent / "template"
COMMAND = "vz report"


def render(values: Mapping[str, Any]) -> str:
    """The page from what `report.html.j2` names. Strings are escaped; charts come as `Markup`."""
    style, script = curves.style() + _file("page.css"), _file("replay.js")
    return pages.fill(_environment(), "report.html.j2", values, command=COMMAND, style=style, script=script)


def figure(value: Any) -> str:
    """A cell of the table of rounds."""
    if value is None:
        return "–"
    return short(value) if isinstance(value, (int, float)) else str(value)


def signed(value: float | None) -> str:
    """A reward: +0.12, −0.27."""
    return "–" if value is None else f"{value:+.2f}".replace("-", "−")


@cache
def _environment() -> Environment:
    return pages.environment(TEMPLATES, {"figure": figure, "signed": signed})


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")
