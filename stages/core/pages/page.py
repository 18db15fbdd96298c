"""Filling a template so that the page is whole and harmless, and writing it without replacing a stranger's file.

Names and texts in a page may hold anything, so the template escapes whatever it is given and the page's policy admits
one style and one script by their hashes. No text that comes from outside ever stands inside a script.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.core.errors import InputError
from stages.core.folder.files import write_text

BASE_STYLE = Path(__file__).parent / "base.css"  # the colours of all pages, light and dark, and their first words
HEAD = 2048  # bytes in which a page's mark stands


def environment(templates: Path, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Templates that escape all strings and stop at a name that nobody gave."""
    loader = FileSystemLoader(templates)
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= filters
    return made


def mark_of(command: str) -> str:
    """The tag by which a page of `command` is known again; it stands near the top of the page."""
    return f'<meta name="generator" content="{command}">'


def fill(templates: Environment, name: str, values: Mapping[str, Any], *, command: str, style: str, script: str) -> str:
    """The page of template `name`, which places `policy`, `mark`, `style` and `script` besides the `values`.

    `style` comes after the style of all pages. Strings are escaped; what is markup already comes as `Markup`.
    """
    whole = _base_style() + style
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(whole)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    given = {"style": Markup(whole), "script": Markup(script), "mark": Markup(mark_of(command)), "policy": policy}
    return templates.get_template(name).render(**values, **given)


def data_url(data: bytes, kind: str) -> str:
    """A picture as a page holds it; `kind` is its MIME type."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def publish(path: Path, text: str) -> str:
    """Write the page unless it lies there already. Returns "done" or "up to date"."""
    if path.is_file() and path.read_bytes() == text.encode():
        return "up to date"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    return "done"


def refuse_foreign(path: Path, command: str, option: str, example: str) -> None:
    """`InputError` for a name that is no page's, and when what lies at `path` is no page of `command`."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file as {option}, for example {path / example}")
    if path.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"{path}: is written as an HTML page; give a name that ends in .html as {option}")
    if path.is_file():
        with path.open("rb") as file:
            ours = mark_of(command).encode() in file.read(HEAD)
        if not ours:
            raise InputError(f"{path}: exists and is no page of {command}; choose another {option} or move it away")


@cache
def _base_style() -> str:
    return BASE_STYLE.read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
