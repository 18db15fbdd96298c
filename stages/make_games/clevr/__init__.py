"""Pairs of CLEVR scenes: drawn by the rules, or given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stages.core.clevr.effort import renderer_of
from stages.core.clevr.llvm import REMEDY, usable_llvm
from stages.core.recipe.games import Games


def drawn_by(games: Games) -> dict[str, Any]:
    """What draws the pictures, as fields of `Plan`. `InputError` if `games` asks for a renderer that does not work."""
    packages = ("mitsuba", "pyoidn") if games.denoise else ("mitsuba",)
    library = usable_llvm() if renderer_of(games) == "llvm" else None
    if library is not None:
        return {"packages": packages, "drawn_by": {"renderer": "llvm", "llvm": Path(library).resolve().name}}
    slow = [f"rendered by the scalar renderer, several times slower: no LLVM library works here; {REMEDY}"]
    warnings = slow if games.renderer == "auto" else []
    return {"packages": packages, "drawn_by": {"renderer": "scalar"}, "warnings": warnings}
