"""Which weights a policy needs: full ones, or an adapter on a base."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stages.core import artifact, vlm
from stages.core.recipe.load import place_of
from stages.core.recipe.model import Model


@dataclass(frozen=True)
class Weights:
    """Full weights by place and version; with `adapter`, a PEFT folder on top of them."""

    path: str
    version: str  # content of `path`, so that equal weights are held once
    revision: str | None = None  # of a hub name
    adapter: str | None = None
    rank: int = 0  # of the adapter

    @property
    def full(self) -> tuple[str, str]:
        """What tells one set of full weights from another."""
        return self.path, self.version


def weights_of(model: str | Path, version: str, recipe: Model) -> Weights:
    """The weights of a policy as `Engine.load` gets it."""
    place = str(place_of(model))
    if not vlm.is_adapter(place):
        return Weights(place, version, vlm.revision_of(place, recipe))
    full, config = place_of(vlm.base_of_adapter(place, recipe)), vlm.adapter_config(place)
    rank = max([int(config["r"]), *(config.get("rank_pattern") or {}).values()])
    return Weights(str(full), artifact.content_hash(full)[:12], vlm.revision_of(full, recipe), place, rank)
