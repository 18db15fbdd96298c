"""The page: one HTML file that needs nothing else, and lets nothing in it reach out.

A clue or a picture's name may hold anything a model wrote, so the template escapes whatever it is given and the page's
policy admits one style and one script by their hashes. No text of a run ever stands inside a script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.report import curves
from stages.report.axis import short

TEMPLATES = Path(__file__).parent / "template"
MARK = '<meta name="generator" content="vz report">'  # by which a page of ours is known again


def render(values: Mapping[str, Any]) -> str:
    """The page from what `report.html.j2` names. Strings are escaped; charts come as `Markup`."""
    style = curves.style() + _file("page.css")
    script = _file("replay.js")
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    given = {"style": Markup(style), "script": Markup(script), "mark": Markup(MARK), "policy": policy}
    return _environment().get_template("report.html.j2").render(**values, **given)


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
    loader = FileSystemLoader(TEMPLATES)
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"figure": figure, "signed": signed}
    return made


def _file(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
