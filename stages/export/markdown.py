"""Writes cards as Markdown.

Names and texts from outside may contain anything. So the templates put all of them into code spans or fences, which are
long enough that nothing inside can end them.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from jinja2 import ChainableUndefined, Environment, FileSystemLoader, Template


def code(value: object) -> str:
    """Any value as a code span on one line, which also works in a table."""
    line = _visible(" ".join(str(value).split())).replace("|", "¦")
    ticks = "`" * (1 + _longest_ticks(line))
    return f"{ticks} {line} {ticks}" if "`" in line else f"`{line}`"


def fenced(text: str, language: str) -> str:
    """Any text as a block of code."""
    lines = [_visible(line) for line in text.rstrip().splitlines()]
    ticks = "`" * max(3, 1 + _longest_ticks(text))
    return "\n".join([f"{ticks}{language}", *lines, ticks])


def _visible(line: str) -> str:
    """The line, with a replacement character for each character that is invisible or reverses the text."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


@cache
def template(name: str) -> Template:
    """A Markdown template, so nothing is escaped as HTML. A manifest of another version may lack what it names."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=ChainableUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"code": code, "fenced": fenced, "number": "{:,}".format}
    return environment.get_template(name)
