"""Engines, which answer prompts. `open_engine` opens the engine that a recipe names."""

from __future__ import annotations

from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.errors import InputError
from stages.core.recipe.schema import Recipe
from stages.core.user_code import is_user_file, load_user_object, user_errors

__all__ = ["Completion", "Engine", "Request", "Sampling", "open_engine"]


def open_engine(recipe: Recipe) -> Engine:
    """The engine that `rollout.engine` names, with no policies loaded yet.

    With any engine, a server answers for a policy whose model is that server's address (`https://host/v1#name`).
    """
    if recipe.rollout.executor.spreads:
        from stages.core.engines.fleet import check_executor

        check_executor(recipe)
    if recipe.rollout.engine == "server":
        from stages.core.engines.server import ServerEngine

        return ServerEngine(recipe)
    from stages.core.engines.routing import RoutingEngine

    if recipe.rollout.executor.spreads:
        from stages.core.engines.fleet import FleetEngine

        return RoutingEngine(FleetEngine(recipe, _with_weights), recipe)
    return RoutingEngine(_with_weights(recipe), recipe)


def _with_weights(recipe: Recipe) -> Engine:
    """An engine in this process that loads its policies' weights."""
    name = recipe.rollout.engine
    if is_user_file(name):
        return _own(name, recipe)
    if name == "fake":
        from stages.core.engines.fake import FakeEngine

        return FakeEngine()
    if name == "vllm":
        from stages.core.engines.vllm import VllmEngine

        return VllmEngine(recipe)
    from stages.core.engines.transformers import TransformersEngine

    return TransformersEngine(recipe)


def _own(file: str, recipe: Recipe) -> Engine:
    """The engine that a user's file returns from `open_engine(recipe)`."""
    opener = load_user_object(file, "open_engine", "rollout.engine")
    with user_errors(file):
        engine = opener(recipe)
    if not isinstance(engine, Engine):
        raise InputError(f"{file}: open_engine returned a {type(engine).__name__}, not a stages.core.engines.Engine")
    return engine
