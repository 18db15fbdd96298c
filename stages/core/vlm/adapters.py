"""The folder of a PEFT adapter: its configuration, its base model, and its weights."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.folder.content import MANIFEST, content_hash
from stages.core.folder.files import read_json
from stages.core.printing.terminal import say
from stages.core.recipe.load import resolve_model
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.untrusted import check_files

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ADAPTER_CONFIG = "adapter_config.json"
# Fields of adapter_config.json that do not change what a saved adapter computes. Which modules have weights
# (`target_modules`, `exclude_modules`) shows in the weights.
_NEUTRAL = {
    "auto_mapping", "base_model_name_or_path", "corda_config", "eva_config", "exclude_modules", "inference_mode",
    "loftq_config", "lora_dropout", "lora_ga_config", "megatron_core", "peft_type", "peft_version",
    "qalora_group_size", "revision", "runtime_config", "target_modules", "task_type",
}  # fmt: skip
# Initialisations that change only the adapter's first weights; others change the base's weights.
_HARMLESS_INITS = {"gaussian", "eva", "orthogonal", "mica", "lora_ga"}


def is_adapter(place: str | Path) -> bool:
    """Whether a model's folder contains a PEFT adapter instead of full weights."""
    return (Path(place) / ADAPTER_CONFIG).is_file()


def adapter_config(place: str | Path) -> dict[str, Any]:
    """The content of `adapter_config.json`."""
    check_files(place)
    config: dict[str, Any] = read_json(Path(place) / ADAPTER_CONFIG)
    return config


def setting_beyond(config: Mapping[str, Any], known: Collection[str]) -> tuple[str, Any] | None:
    """A setting that changes what an adapter computes and is not in `known`; None if there is none."""
    for name, value in config.items():
        is_unset = value in (None, False, "none", [], {}, ())
        is_harmless = not isinstance(value, str) or value.lower() in _HARMLESS_INITS
        if name not in {*known, *_NEUTRAL} and not (is_harmless if name == "init_lora_weights" else is_unset):
            return name, value
    return None


def base_of_adapter(place: str | Path, recipe: ModelRecipe) -> str:
    """The folder or hub name of an adapter's base model.

    vz looks where the adapter says, then at the relative path recorded in adapters that vz made, then at the recipe's
    model. Adapters made by vz record their base's content, so vz never mistakes another model for it.
    """
    named = adapter_config(place).get("base_model_name_or_path")
    if not named or not isinstance(named, str):
        raise InputError(f"{Path(place) / ADAPTER_CONFIG}: names no base model; set base_model_name_or_path in it")
    manifest = Path(place) / MANIFEST
    recorded = read_json(manifest).get("inputs", {}).get("base") if manifest.is_file() else None
    beside = (Path(place).resolve() / recorded["path"]).resolve() if recorded else None
    found = [base for base in (_model(named), beside, _model(recipe.path)) if base and _is_full_model(base)]
    if not found:
        raise InputError(f"{place}: its base model {named} is missing; set model.path to its current location")
    if recorded is None:  # vz did not make this adapter, so the content of its base is unknown
        if found[0] != _model(named):
            say(f"warning: {place}: its base model {named} is missing; using {found[0]} instead")
        return str(found[0])
    for base in found:
        if content_hash(base) == recorded["sha256"]:
            return str(base)
    raise InputError(
        f"{place}: was trained on {named}, but the files of {found[0]} differ from it; "
        "set model.path to the model it was trained on"
    )


def load_adapter_weights(model: PreTrainedModel, place: str | Path) -> None:
    """Load the weights in `place` into a PEFT model's adapter. `InputError` unless they match one to one."""
    peft = require("peft", "train")
    try:
        result = peft.set_peft_model_state_dict(model, peft.load_peft_weights(str(place), device="cpu"))
    except RuntimeError as error:  # a different shape
        detail = str(error).strip().splitlines()[-1].strip()
        raise InputError(f"{place}: the adapter's weights do not fit the model: {detail}") from error
    missing = [name for name in result.missing_keys if "lora_" in name]
    if missing or result.unexpected_keys:
        wrong = f"lacks '{missing[0]}'" if missing else f"has '{result.unexpected_keys[0]}', which the model lacks"
        targets = adapter_config(place).get("target_modules")
        raise InputError(f"{place}: the adapter {wrong}; its target_modules are {targets!r}")


def _model(name: str | Path) -> str | Path | None:
    """A model's folder or hub name; None for a folder that no longer exists."""
    try:
        place = resolve_model(str(name))
    except InputError:
        return None
    return Path(place).resolve() if Path(place).exists() else place


def _is_full_model(place: str | Path) -> bool:
    return isinstance(place, str) or (place.exists() and not is_adapter(place))
