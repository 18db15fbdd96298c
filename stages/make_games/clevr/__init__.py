"""Pairs of CLEVR scenes: drawn by the rules, or given."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.core.clevr.effort import renderer_of
from stages.core.clevr.llvm import REMEDY, usable_llvm
from stages.core.recipe.games import Games


@dataclass(frozen=True)
class DrawnBy:
    """What draws the pictures, packages and settings, and what to tell the user about it."""

    packages: Sequence[str]
    settings: dict[str, str]
    warnings: Sequence[str] = ()


def drawn_by(games: Games) -> DrawnBy:
    """As `games` asks, whose renderer may be `auto`. `InputError` when it asks for one that does not work here."""
    packages = ("mitsuba", "pyoidn") if games.denoise else ("mitsuba",)
    library = usable_llvm() if renderer_of(games) == "llvm" else None
    if library is not None:
        return DrawnBy(packages, {"renderer": "llvm", "llvm": Path(library).resolve().name})
    slow = [f"rendered by the scalar renderer, several times slower: no LLVM library works here; {REMEDY}"]
    return DrawnBy(packages, {"renderer": "scalar"}, slow if games.renderer == "auto" else [])
