"""The LoRA adapter that trains: a fresh one as the recipe says, or a saved one that is exactly that."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.folder.content import content_hash
from stages.core.recipe.model import Lora
from stages.core.recipe.model import Model as ModelRecipe

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# PEFT's names of what the recipe says, and the recipe's.
_SAID = {
    "r": "rank",
    "lora_alpha": "alpha",
    "target_parameters": "target_parameters",
}
# Entries of adapter_config.json that do not change what a saved adapter computes in training.
_NEUTRAL = {
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "exclude_modules",  # as target_modules: which modules have weights is compared weight by weight
    "inference_mode",
    "init_lora_weights",
    "loftq_config",
    "lora_dropout",  # the recipe's holds
    "lora_ga_config",
    "megatron_core",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
}
# Initialisations that change nothing but the adapter's first weights.
_HARMLESS_INITS = {"gaussian", "eva", "orthogonal", "mica", "lora_ga"}


def with_adapter(model: PreTrainedModel, lora: Lora, seed: int) -> PreTrainedModel:
    """`model` with a fresh adapter of the model's own dtype; the same random A matrices wherever it is made."""
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora),
        target_parameters=lora.target_parameters or None,
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            adapted: Any = get_peft_model(model, config, autocast_adapter_dtype=False)
        except (ValueError, TypeError) as error:  # PEFT says which targets are not there or cannot have an adapter
            raise InputError(f"model.lora: {error}") from error
    return adapted


def check_adapter(folder: str, lora: Lora) -> None:
    """`InputError` unless the adapter in `folder` is of the kind, rank and scale that `model.lora` trains.

    Whether it sits on the same modules shows when its weights are loaded.
    """
    config = vlm.adapter_config(folder)
    if config.get("peft_type") != "LORA":
        raise InputError(f"{folder}: is a PEFT adapter of type {config.get('peft_type')}, but vz trains LoRA adapters")
    for theirs, ours in _SAID.items():
        saved, wanted = config.get(theirs) or None, getattr(lora, ours) or None
        if _sorted(saved) != _sorted(wanted):
            raise InputError(
                f"{folder}: the adapter's {ours} is {saved}, but model.lora.{ours} is {wanted}: "
                f"set model.lora.{ours}={saved or []}"
            )
    init = config.get("init_lora_weights", True)
    foreign = {name: value for name, value in config.items() if name not in {*_SAID, *_NEUTRAL} and _says(value)}
    if isinstance(init, str) and init.lower() not in _HARMLESS_INITS:
        foreign["init_lora_weights"] = init  # these change the base's weights
    for name, value in foreign.items():
        raise InputError(
            f"{folder}: the adapter has {name}={value!r}, which model.lora cannot express, so it would train as "
            "another function than it played; merge it into its base with PEFT's merge_and_unload, save that as "
            "model.path, and train a new adapter on it"
        )


def check_base(folder: str, base: str, recipe: ModelRecipe) -> None:
    """`InputError` if the adapter in `folder` belongs to another model than `base`."""
    own = vlm.base_of_adapter(folder, recipe)
    if content_hash(_place(own)) != content_hash(_place(base)):
        raise InputError(
            f"{folder}: is an adapter of {own}, but the base here is {base}; give the adapter's own base as "
            "model.path (or --base)"
        )


def fill_adapter(policy: PreTrainedModel, folder: str, lora: Lora) -> None:
    """Put the weights saved in `folder` into the fresh adapter of `policy`."""
    try:
        vlm.load_adapter_weights(policy, folder)
    except InputError as error:
        raise InputError(f"{error}, and model.lora.target_modules is {lora.target_modules!r}") from error


def described(lora: Lora) -> dict[str, Any]:
    """What a training state records of its adapter: all but the dropout decides what its weights compute."""
    return lora.model_dump(mode="json", exclude={"dropout"})


def check_state(place: str, recorded: dict[str, Any], lora: Lora) -> None:
    """`InputError` if a training state was made with another adapter than `model.lora` describes."""
    wanted = described(lora)
    for name, value in recorded.items():
        if _sorted(value) != _sorted(wanted.get(name)):
            raise InputError(
                f"{place}: was trained with model.lora.{name}={value!r}, but it is {wanted.get(name)!r} now; "
                f"set it to {value!r}"
            )


def _targets(model: PreTrainedModel, lora: Lora) -> list[str] | str:
    """`all-linear` means the language model's layers: engines cannot serve adapters of vision towers."""
    import torch

    if lora.target_modules != "all-linear":
        return lora.target_modules
    decoder = model.get_decoder()
    prefix = next((name for name, module in model.named_modules() if module is decoder), "")
    if not prefix:
        return "all-linear"
    linear = {name.split(".")[-1] for name, module in decoder.named_modules() if isinstance(module, torch.nn.Linear)}
    return rf".*{re.escape(prefix.split('.')[-1])}\..*\.({'|'.join(sorted(linear))})"


def _says(value: object) -> bool:
    return value not in (None, False, "none", [], {}, ())


def _sorted(value: object) -> object:
    return sorted(value) if isinstance(value, list | tuple) else value


def _place(base: str) -> Path | str:
    return Path(base) if Path(base).exists() else base
