"""What every kind of torture is: something that can be tried any number of times."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from tests.torture.child import Command
from tests.torture.tally import Found


@dataclass
class Try:
    """One try: what its draws come from, a folder for it, and what was found."""

    seed: str
    place: Path
    world: Path
    found: Found = field(default_factory=Found)
    commands: list[Command] = field(default_factory=list)  # given in `input`
    about: str = ""  # in words

    def dice(self, purpose: str = "") -> Random:
        """Draws that are the same whenever the try is made again."""
        return Random(f"{self.seed} {purpose}")

    @property
    def input(self) -> Path:
        """The files that the commands read. A failure keeps them."""
        return self.place / "input"

    @property
    def said(self) -> Path:
        """Output and temporary files of the commands."""
        return self.place / "said"


class Kind(Protocol):
    """A kind of torture."""

    share: float  # of the time
    batch: int  # tries at once
    few: int  # tries of the short form

    def missing(self) -> str:
        """What this machine lacks for it, in words; empty if nothing."""

    def prepare(self, tries: list[Try]) -> None:
        """Write what each reads, and the commands that read it."""

    def attempt(self, tries: list[Try]) -> None:
        """Make these tries, and note what was found."""


def tree_of(folder: Path) -> list[str]:
    """All files in `folder`, hidden ones too, by relative path."""
    return sorted(str(Path(place, name).relative_to(folder)) for place, _, names in os.walk(folder) for name in names)


def copy(source: Path, target: Path) -> Path:
    shutil.copytree(source, target, symlinks=True)
    return target
