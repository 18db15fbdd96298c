"""Fills a template into a complete, safe page, and writes it without replacing files that vz did not write.

Names and texts may contain anything. The template escapes them, and the page's policy allows one style and one script
by their hashes. Scripts never contain outside text.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from stages.core.errors import InputError
from stages.core.folder.files import write_bytes

BASE = Path(__file__).parent  # contains base.css: the colours of all pages, light and dark
HEAD = 2048  # bytes at the start of a file that contain our mark


def environment(templates: Path, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Templates that escape all strings and refuse undefined names. They may include `base.css`."""
    loader = FileSystemLoader([templates, BASE])
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= filters
    return made


def mark_of(command: str) -> str:
    """The tag near the top of a page that says which command wrote it."""
    return f'<meta name="generator" content="{command}">'


def fill(templates: Environment, name: str, values: Mapping[str, Any], *, command: str, served: bool = False) -> str:
    """The page from template `name`, with the `values` and with `policy`, `mark`, `style` and `script`.

    Style and script are the templates `page.css` and `page.js`. Strings are escaped; pass markup as `Markup`. A
    `served` page may also send requests to its own server.
    """
    style, script = (templates.get_template(file).render() for file in ("page.css", "page.js"))
    own, itself = (" 'self'", "'self'") if served else ("", "'none'")
    policy = (
        f"default-src 'none'; img-src data:{own}; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        f"connect-src {itself}; base-uri 'none'; form-action {itself}"
    )
    given = {"style": Markup(style), "script": Markup(script), "mark": Markup(mark_of(command)), "policy": policy}
    return templates.get_template(name).render(**values, **given)


def picture_url(data: bytes) -> str:
    """A picture's file as a data URL."""
    with Image.open(io.BytesIO(data)) as image:
        mime = Image.MIME[image.format or "PNG"]
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def publish(path: Path, data: bytes) -> str:
    """Write the file unless it already has this content. Returns "done" or "up to date"."""
    if path.is_file() and path.read_bytes() == data:
        return "up to date"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, data)
    return "done"


def refuse_foreign(path: Path, mark: str, option: str, suffix: str = ".html") -> None:
    """`InputError` unless `path` ends in `suffix` and is either free or a file with `mark` near its start."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give {option} a file, for example {path / f'page{suffix}'}")
    if path.suffix.lower() != suffix:
        raise InputError(f"{path}: give {option} a name that ends in {suffix}")
    if path.is_file():
        with path.open("rb") as file:
            ours = mark.encode() in file.read(HEAD)
        if not ours:
            raise InputError(f"{path}: exists and was not written by vz; choose another {option} or move it away")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"
