"""The fenced code blocks of a Markdown page."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>```+)(?P<info>[^`\n]*)\n(?P<code>.*?)^(?P=indent)(?P=ticks)\s*$", re.M | re.S
)
TITLE = re.compile(r'title="([^"]+)"')
GIVEN = re.compile(r"<!-- given: (.+?) -->")


@dataclass(frozen=True)
class Block:
    """One block: where it stands, its language ("" if the page names none), the file that it shows, its text."""

    page: Path
    line: int
    language: str
    title: str | None
    code: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [_block(page, text, found) for found in FENCE.finditer(text)]


def _block(page: Path, text: str, found: re.Match[str]) -> Block:
    info, indent = found["info"].strip(), found["indent"]
    title = TITLE.search(info)
    code = "".join(line.removeprefix(indent) for line in found["code"].splitlines(keepends=True))
    line = text.count("\n", 0, found.start()) + 1
    return Block(page, line, info.split(" ")[0], title[1] if title else None, code)


def given(page: Path) -> list[tuple[str, str]]:
    """The folders that a page starts from, and their names there: `<!-- given: games, runs/demo as runs/paper -->`."""
    found = GIVEN.search(page.read_text(encoding="utf-8"))
    pairs = [each.split(" as ") for each in found[1].split(", ")] if found else []
    return [(pair[0], pair[-1]) for pair in pairs]


def commands(code: str) -> Iterator[list[str]]:
    """The commands of a shell block, split into words, without comments."""
    for line in code.replace("\\\n", " ").splitlines():
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            if words:
                yield words
