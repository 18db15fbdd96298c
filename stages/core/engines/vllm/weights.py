"""Which weights a policy needs: full ones, or an adapter on a base."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from stages.core import artifact, vlm
from stages.core.recipe.load import place_of


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


def weights_of(model: str | Path, version: str, revision: str | None) -> Weights:
    """The weights of a policy as `Engine.load` gets it."""
    place = str(place_of(model))
    base = vlm.base_of_adapter(place)
    if base is None:
        return Weights(place, version, None if Path(place).exists() else revision)
    full = place_of(base)
    rank = int(json.loads((Path(place) / vlm.ADAPTER_CONFIG).read_text(encoding="utf-8"))["r"])
    on_hub = None if Path(full).exists() else revision
    return Weights(str(full), artifact.content_hash(full)[:12], on_hub, place, rank)
