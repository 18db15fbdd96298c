"""Who answers. `open_engine` starts the one that a recipe names."""

from __future__ import annotations

from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.recipe.schema import Recipe

__all__ = ["Completion", "Engine", "Request", "Sampling", "open_engine"]


def open_engine(recipe: Recipe) -> Engine:
    """The engine of `recipe.rollout.engine`, without policies yet: `load` gives it those.

    Whatever it is, a policy whose place is a server's address is answered by that server.
    """
    if recipe.rollout.executor.spreads:
        from stages.core.engines.fleet import check_executor

        check_executor(recipe)
    if recipe.rollout.engine == "server":
        from stages.core.engines.server import ServerEngine

        return ServerEngine(recipe)
    from stages.core.engines.routing import RoutingEngine

    return RoutingEngine(_with_weights(recipe), recipe)


def _with_weights(recipe: Recipe) -> Engine:
    """An engine that loads the weights of its policies."""
    if recipe.rollout.executor.spreads:
        from stages.core.engines.fleet import FleetEngine

        return FleetEngine(recipe, _with_weights)
    if recipe.rollout.engine == "fake":
        from stages.core.engines.fake import FakeEngine

        return FakeEngine()
    if recipe.rollout.engine == "vllm":
        from stages.core.engines.vllm import VllmEngine

        return VllmEngine(recipe)
    from stages.core.engines.transformers import TransformersEngine

    return TransformersEngine(recipe)
