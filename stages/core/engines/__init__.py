"""Who answers. `open_engine` starts the one that a recipe names."""

from __future__ import annotations

from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.recipe.schema import Recipe

__all__ = ["Completion", "Engine", "Request", "Sampling", "open_engine"]


def open_engine(recipe: Recipe) -> Engine:
    """The engine of `recipe.rollout.engine`, without policies yet: `load` gives it those."""
    if recipe.rollout.engine == "fake":
        from stages.core.engines.fake import FakeEngine

        return FakeEngine()
    from stages.core.engines.transformers import TransformersEngine

    return TransformersEngine(recipe)
