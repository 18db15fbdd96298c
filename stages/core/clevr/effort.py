"""The effort spent on a picture: renderer and number of paths, in named presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from stages.core.clevr.llvm import REMEDY, usable_llvm
from stages.core.errors import InputError
from stages.core.recipe.games import Games, Quality

Renderer = Literal["scalar", "llvm"]


@dataclass(frozen=True)
class Effort:
    """`samples` paths per pixel. `denoiser` is the quality of Open Image Denoise; None keeps the noise.

    Only for `llvm`: `metal` is the number of extra paths on and around metal; `photons` is the number of rays for
    caustics, for each metal object and light.
    """

    samples: int
    renderer: Renderer = "scalar"
    metal: int = 0
    photons: int = 0
    denoiser: Literal["fast", "high"] | None = "high"


PRESETS: Mapping[Renderer, Mapping[Quality, Effort]] = {
    "llvm": {
        "draft": Effort(2, "llvm", metal=6, photons=1 << 12, denoiser="fast"),
        "standard": Effort(4, "llvm", metal=12, photons=1 << 13, denoiser="fast"),
        "fine": Effort(16, "llvm", metal=48, photons=1 << 15),
        "reference": Effort(512, "llvm", metal=0, photons=1 << 20),
    },
    "scalar": {
        "draft": Effort(4),
        "standard": Effort(16),
        "fine": Effort(64),
        "reference": Effort(512),
    },
}
"""docs/rendering.md lists their cost and accuracy."""


def with_renderer(games: Games) -> Games:
    """`games` with `auto` replaced by a renderer, chosen once so that all processes of a run use the same one.

    `InputError` if the recipe asks for a renderer that does not work here.
    """
    return games.model_copy(update={"renderer": renderer_of(games)})


def effort_of(games: Games) -> Effort:
    """The effort that the recipe sets. `InputError` if its renderer does not work here."""
    preset = PRESETS[renderer_of(games)][games.quality]
    chosen = preset if games.samples is None else replace(preset, samples=games.samples)
    return chosen if games.denoise else replace(chosen, denoiser=None)


def renderer_of(games: Games) -> Renderer:
    """The recipe's renderer; for `auto`, llvm if it works."""
    if games.renderer == "scalar":
        return "scalar"
    if usable_llvm() is not None:
        return "llvm"
    if games.renderer == "llvm":
        raise InputError(
            f"games.renderer is llvm, but no LLVM library works here; {REMEDY}, or set games.renderer to scalar"
        )
    return "scalar"
