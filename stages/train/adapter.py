"""The LoRA adapter that trains: a new one that the recipe describes, or a saved one that matches the recipe."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError
from stages.core.folder.content import content_hash
from stages.core.recipe.model import Lora
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import adapter_config, base_of_adapter, load_adapter_weights, setting_beyond

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Fields that the recipe sets, by their names in PEFT and in the recipe.
_SET = {"r": "rank", "lora_alpha": "alpha", "target_parameters": "target_parameters"}


def with_adapter(model: PreTrainedModel, lora: Lora, seed: int) -> PreTrainedModel:
    """`model` with a new adapter in the model's dtype. Its random A matrices depend only on `seed`."""
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
        except (ValueError, TypeError) as error:  # PEFT names targets that are missing or unfit
            raise InputError(f"model.lora: {error}") from error
    return adapted


def check_adapter(folder: str, lora: Lora) -> None:
    """`InputError` unless the adapter in `folder` has the kind, rank and scale that `model.lora` trains.

    Loading its weights shows whether it belongs on the same modules.
    """
    config = adapter_config(folder)
    if config.get("peft_type") != "LORA":
        raise InputError(f"{folder}: is a PEFT adapter of type {config.get('peft_type')}, but vz trains LoRA adapters")
    for theirs, ours in _SET.items():
        _check_equal(f"{folder}: the adapter", ours, config.get(theirs) or None, getattr(lora, ours) or None)
    if found := setting_beyond(config, _SET):
        raise InputError(
            f"{folder}: the adapter has {found[0]}={found[1]!r}, which model.lora cannot express, so it would compute "
            "something else in training than in play; merge it into its base (vz export --to model, or PEFT's "
            "merge_and_unload), and train a new adapter on that (model.path)"
        )


def check_base(folder: str, base: str, recipe: ModelRecipe) -> None:
    """`InputError` if the adapter in `folder` belongs to a model other than `base`."""
    own = base_of_adapter(folder, recipe)
    if content_hash(own) != content_hash(base):
        raise InputError(
            f"{folder}: is an adapter of {own}, but the base here is {base}; give the adapter's own base as "
            "model.path (or --base)"
        )


def fill_adapter(policy: PreTrainedModel, folder: str, lora: Lora) -> None:
    """Load the weights saved in `folder` into the new adapter of `policy`."""
    try:
        load_adapter_weights(policy, folder)
    except InputError as error:
        raise InputError(f"{error}, and model.lora.target_modules is {lora.target_modules!r}") from error


def described(lora: Lora) -> dict[str, Any]:
    """What a training state records about its adapter: all settings that change what its weights compute."""
    return lora.model_dump(mode="json", exclude={"dropout"})


def check_state(place: str, recorded: dict[str, Any], lora: Lora) -> None:
    """`InputError` if a training state was made with an adapter that differs from `model.lora`."""
    wanted = described(lora)
    for name, value in recorded.items():
        _check_equal(f"{place}: the state's adapter", name, value, wanted.get(name))


def _targets(model: PreTrainedModel, lora: Lora) -> list[str] | str:
    """`all-linear` selects the language model's layers, because engines cannot serve adapters of vision towers."""
    import torch

    if lora.target_modules != "all-linear":
        return lora.target_modules
    decoder = model.get_decoder()
    prefix = next((name for name, module in model.named_modules() if module is decoder), "")
    if not prefix:
        return "all-linear"
    linear = {name.split(".")[-1] for name, module in decoder.named_modules() if isinstance(module, torch.nn.Linear)}
    return rf".*{re.escape(prefix.split('.')[-1])}\..*\.({'|'.join(sorted(linear))})"


def _check_equal(what: str, name: str, saved: object, wanted: object) -> None:
    """`InputError` if a setting of a saved adapter differs from `model.lora`."""
    first, second = (sorted(value) if isinstance(value, list | tuple) else value for value in (saved, wanted))
    if first != second:
        raise InputError(
            f"{what} has {name} {saved}, but model.lora.{name} is {wanted}; set model.lora.{name}={saved or []}"
        )
