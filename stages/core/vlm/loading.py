"""Loading a policy's weights and its processor, with an error that says what is wrong with the place."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, first_line, require
from stages.core.recipe.load import resolve_model
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import base_of_adapter, is_adapter, load_adapter_weights
from stages.core.vlm.machine import device_of
from stages.core.vlm.packages import remedy
from stages.core.vlm.template import set_template
from stages.core.vlm.tokens import generation_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

_PROCESSOR_CONFIGS = ("processor_config.json", "preprocessor_config.json")


def load_processor(path: str | Path, recipe: ModelRecipe) -> ProcessorMixin:
    """The processor of a model folder or hub name, with the recipe's pixel limits, options and chat template."""
    transformers = _transformers()
    place = processor_place(path, recipe)
    refuse_own_code(place, recipe)
    limits = {name: getattr(recipe, name) for name in ("min_pixels", "max_pixels")}
    limits = {name: pixels for name, pixels in limits.items() if pixels is not None}
    try:
        processor = transformers.AutoProcessor.from_pretrained(
            place, revision=revision_of(place, recipe), **recipe.processor, **limits
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:  # the last from a torchvision that does not fit
        raise InputError(
            f"{place}: the processor of {_where(place)} cannot be loaded: {_said(error)}{remedy(error)}"
        ) from error
    _check_interface(place, processor)
    _check_pixel_limits(place, processor, limits)
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    processor.tokenizer.padding_side = "left"  # not kept on disk by transformers; right padding corrupts some models
    set_template(place, processor, recipe)
    return processor


def processor_place(path: str | Path, recipe: ModelRecipe) -> str:
    """The folder or hub name of a model's processor. An adapter without one uses its base's."""
    place = resolve_model(str(path))
    if is_adapter(place) and not any((Path(place) / name).is_file() for name in _PROCESSOR_CONFIGS):
        return base_of_adapter(place, recipe)
    return place


def load_model(path: str | Path, recipe: ModelRecipe, dtype: str | None = None) -> PreTrainedModel:
    """The policy's weights on its device, in eval mode. A PEFT adapter folder loads its base model and the adapter."""
    place = resolve_model(str(path))
    if not is_adapter(place):
        model = _full_model(place, recipe, dtype)
    else:
        base = _full_model(base_of_adapter(place, recipe), recipe, dtype)
        model = _with_saved_adapter(base, place)
    loaded: PreTrainedModel = model.to(device_of(recipe)).eval()
    return loaded


def load_skeleton(path: str, recipe: ModelRecipe) -> PreTrainedModel:
    """A full model without its weights' values (on the meta device), which takes neither memory nor time."""
    return _full_model(resolve_model(path), recipe, None, device_map="meta")


def _full_model(place: str, recipe: ModelRecipe, dtype: str | None, **more: Any) -> PreTrainedModel:
    transformers, torch = _transformers(), require("torch", "train")
    revision = revision_of(place, recipe)
    options: dict[str, Any] = {"dtype": getattr(torch, dtype or recipe.dtype), **more}
    if recipe.attention is not None:
        options["attn_implementation"] = recipe.attention
    refuse_own_code(place, recipe)
    try:
        model: PreTrainedModel = transformers.AutoModelForImageTextToText.from_pretrained(
            place, revision=revision, generation_config=generation_config(place, revision), **options
        )
    except (OSError, ValueError, ImportError) as error:
        raise InputError(
            f"{place}: {_where(place)} cannot be loaded as a model: {first_line(error)}{remedy(error)}"
        ) from error
    return model


def _with_saved_adapter(model: PreTrainedModel, place: str) -> PreTrainedModel:
    """`model` with the adapter as its own configuration says. PEFT alone passes over weights that have no place."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # which are an error below
            adapted: PreTrainedModel = require("peft", "train").PeftModel.from_pretrained(model, place)
    except (ValueError, RuntimeError, TypeError, OSError) as error:
        raise InputError(f"{place}: the adapter does not load on its base model: {first_line(error)}") from error
    load_adapter_weights(adapted, place)
    return adapted


def revision_of(place: str | Path, recipe: ModelRecipe) -> str | None:
    """The recipe's revision, which is one of its own model on the hub: not of folders, nor of other models."""
    return recipe.revision if str(place) == recipe.path and not Path(place).exists() else None


def refuse_own_code(place: str, recipe: ModelRecipe) -> None:
    """`InputError` for a repository whose model is code of its own: vz runs none, and transformers would ask on stdin.

    InternVL is published in both formats; the message names the one to take.
    """
    transformers = _transformers()
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(place, revision=revision_of(place, recipe))
    except (OSError, ValueError):
        return  # loading says what is wrong with it
    kind = config.get("model_type")
    if "auto_map" not in config or kind in transformers.CONFIG_MAPPING:
        return
    other = "use a model that transformers supports natively"
    if kind == "internvl_chat":
        name = "OpenGVLab/InternVL3-8B-hf" if Path(place).exists() else f"{place}-hf"
        other = f"the same weights in transformers' own format are in the repository that ends in -hf: {name}"
    raise InputError(f"{place}: its model type '{kind}' is code in its own repository, which vz does not run; {other}")


def _check_interface(place: str, processor: object) -> None:
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
        raise InputError(f"{place}: has no processor for pictures and text; a vision–language model is needed")
    if not hasattr(processor, "apply_chat_template"):
        raise InputError(
            f"{place}: its processor {type(processor).__name__} has no apply_chat_template, so it does not follow the "
            "Hugging Face interface; take a model whose processor does"
        )


def _check_pixel_limits(place: str, processor: ProcessorMixin, limits: dict[str, int]) -> None:
    """transformers takes any option and passes over those it does not know."""
    kind = type(processor.image_processor)
    known = getattr(getattr(kind, "valid_kwargs", None), "__annotations__", limits)
    for name in limits:
        if name not in known:
            own = ", ".join(sorted(option for option in known if "size" in option or "patches" in option))
            raise InputError(
                f"model.{name}: the processor of {place} ({kind.__name__}) has no such limit, so it would do nothing; "
                f"set model.{name}=null and give its own options in model.processor{f' ({own})' if own else ''}"
            )


def _transformers() -> ModuleType:
    """transformers, without its own progress bars: ours say how far a stage is."""
    library = require("transformers", "train")
    library.utils.logging.disable_progress_bar()
    return library


def _said(error: Exception) -> str:
    """What transformers says of a failure, without its general advice, whose first line stops in mid-sentence."""
    return first_line(error).partition(" Check out ")[0].rstrip(".")


def _where(place: str) -> str:
    return "this folder" if Path(place).exists() else "this name (no folder here, so one on the hub)"
