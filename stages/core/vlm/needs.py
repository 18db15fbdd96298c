"""Checks from their configuration whether this machine can load a recipe's models, before loading any weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core import vlm
from stages.core.errors import InputError, require
from stages.core.recipe.schema import Recipe
from stages.core.recipe.served import is_served
from stages.core.user_code import is_user_file
from stages.core.vlm.arithmetic import slow_settings, warn_if_slow
from stages.core.vlm.loading import build_options, refuse_own_code, remedy
from stages.core.vlm.untrusted import library_errors

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

Place = str | Path
Check = Callable[[Recipe, Place], str]


def check_models(recipe: Recipe, places: Iterable[Place], *, trains: bool = False) -> None:
    """`InputError` with a remedy if the recipe's engine, or training, cannot load the models at `places`.

    Also warns if they would be slow on this CPU.
    """
    for place in dict.fromkeys(map(str, places)):
        for check in checks(recipe, place, trains).values():
            check(recipe, place)
        if not is_served(place) and recipe.rollout.reads_prompts_here:
            warn_if_slow(recipe)


def checks(recipe: Recipe, place: Place, trains: bool) -> dict[str, Check]:
    """The checks, by the thing that they examine.

    A served or scripted policy has no weights here, and vz does not know what a user's engine loads.
    """
    engine = recipe.rollout.engine
    if is_served(place) or engine == "server":
        return {"server": _server}
    if not recipe.rollout.reads_prompts_here and not (trains and is_user_file(engine)):
        return {}
    found: dict[str, Check] = {"device": _device, "processor": _processor}
    if engine == "vllm":
        found["vLLM"] = _vllm
    if engine != "vllm" or trains:
        found["architecture"] = _architecture
    if recipe.rollout.executor.spreads:
        found["Ray"] = _ray
    return found


def _server(recipe: Recipe, place: Place) -> str:
    require("openai", "server")
    return "the model's server answers; vz loads nothing here"


def _ray(recipe: Recipe, place: Place) -> str:
    return f"ray {require('ray', 'ray').__version__}"


def _device(recipe: Recipe, place: Place) -> str:
    """Whether the device exists and supports the recipe's precision."""
    torch = require("torch", "train")
    device = vlm.device_of(recipe.model)
    if device.type == "cuda" and recipe.model.dtype == "bfloat16" and not torch.cuda.is_bf16_supported():
        name = torch.cuda.get_device_name(device)
        raise InputError(f"model.dtype is bfloat16, which {name} does not support; set model.dtype=float16")
    slow = " (slow: this CPU has no instructions for it)" if slow_settings(recipe) else ""
    return f"{device.type}, {recipe.model.dtype}{slow}"


def _processor(recipe: Recipe, place: Place) -> str:
    """Whether the processor loads: packages, pixel limits, options, chat template."""
    processor = vlm.load_processor(place, recipe.model)
    return f"{type(processor).__name__}; its chat template accepts text and a picture"


def _architecture(recipe: Recipe, place: Place) -> str:
    """Whether the model can be built without weights, which reveals missing packages and attention kernels."""
    transformers, torch = require("transformers", "train"), require("torch", "train")
    config, where = _config(recipe, place)
    with library_errors(where, "cannot be built as a model", remedy), torch.device("meta"):
        model = transformers.AutoModelForImageTextToText.from_config(config, **build_options(recipe.model))
    return f"{type(model).__name__}, {sum(weight.numel() for weight in model.parameters()) / 1e9:.3g} billion weights"


def _vllm(recipe: Recipe, place: Place) -> str:
    require("vllm", "vllm")
    from vllm import ModelRegistry

    config, where = _config(recipe, place)
    names = config.architectures or []
    known = sorted(set(names) & set(ModelRegistry.get_supported_archs()))
    if not known:
        raise InputError(
            f"{where}: this vLLM does not support {', '.join(names) or config.model_type}; "
            "set rollout.engine=transformers, or install a vLLM that supports it"
        )
    return f"plays {known[0]}"


def _config(recipe: Recipe, place: Place) -> tuple[PreTrainedConfig, str]:
    """The configuration of the model at `place`, and the folder or hub name of its weights."""
    transformers = require("transformers", "train")
    where = vlm.base_of_adapter(place, recipe.model) if vlm.is_adapter(str(place)) else str(place)
    refuse_own_code(where, recipe.model)
    with library_errors(where, "its configuration cannot be read", remedy):
        revision = vlm.revision_of(where, recipe.model)
        config = transformers.AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=False)
    return config, where
