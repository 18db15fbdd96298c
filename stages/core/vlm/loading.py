"""Loads a policy's weights and processor, with clear errors about what is wrong or missing."""

from __future__ import annotations

import ctypes
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.recipe.load import resolve_model
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import base_of_adapter, is_adapter, load_adapter_weights
from stages.core.vlm.template import set_template
from stages.core.vlm.tokens import generation_config
from stages.core.vlm.untrusted import check_files, library_errors

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, ProcessorMixin

BITSANDBYTES = "bitsandbytes"  # the extra, and the package that it installs
_PROCESSOR_CONFIGS = ("processor_config.json", "preprocessor_config.json")
# glibc's M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, in bytes.
MALLOC_OPTIONS = {-1: 2**31 - 1, -2: 64 * 2**20, -3: 2**30}
logging.getLogger(BITSANDBYTES).setLevel(logging.ERROR)  # it warns about a CPU kernel that vz does not use
# Packages that only some model families need, in lower case, by their names in transformers' messages.
_IN_VISION = ("torchvision", "num2words")
_OTHERS = {
    name: name for name in ("timm", "sentencepiece", "protobuf", "tiktoken", "einops", "mistral-common", "blobfile")
} | {"flashattention2": "flash-attn", "flash_attn": "flash-attn"}

# While transformers builds a model, it changes global state: the default precision, and how weights are drawn and tied.
# So no other thread may build or compute meanwhile, such as an engine that plays while the policy trains.
BUILDING = RLock()


def load_processor(path: str | Path, recipe: ModelRecipe) -> ProcessorMixin:
    """The processor for a model folder or hub name, with the recipe's pixel limits, options and chat template."""
    transformers = _transformers()
    place = processor_place(path, recipe)
    refuse_own_code(place, recipe)
    limits = {name: getattr(recipe, name) for name in ("min_pixels", "max_pixels")}
    limits = {name: pixels for name, pixels in limits.items() if pixels is not None}
    with library_errors(place, f"the processor of {_where(place)} cannot be loaded", remedy):
        processor = transformers.AutoProcessor.from_pretrained(
            place, revision=revision_of(place, recipe), trust_remote_code=False, **recipe.processor, **limits
        )
    with library_errors(place, f"the processor of {_where(place)} does not work", remedy):
        _check_interface(place, processor)
        _check_pixel_limits(place, processor, limits)
        if processor.tokenizer.pad_token_id is None:
            processor.tokenizer.pad_token = processor.tokenizer.eos_token
        processor.tokenizer.padding_side = "left"  # transformers does not save it; right padding corrupts some models
        set_template(place, processor, recipe)
    return processor


def processor_place(path: str | Path, recipe: ModelRecipe) -> str:
    """The folder or hub name of a model's processor; for an adapter without one, its base's."""
    place = resolve_model(str(path))
    if is_adapter(place) and not any((Path(place) / name).is_file() for name in _PROCESSOR_CONFIGS):
        return base_of_adapter(place, recipe)
    return place


def load_model(
    path: str | Path, recipe: ModelRecipe, dtype: str | None = None, device: torch.device | str | None = None
) -> PreTrainedModel:
    """The policy's weights in eval mode on `device` (default: the recipe's). An adapter is loaded on its base."""
    place, device = resolve_model(str(path)), _numbered(device or device_of(recipe))
    full = base_of_adapter(place, recipe) if is_adapter(place) else place
    if recipe.quantization == "none":
        model = _full_model(full, recipe, dtype, device_map={"": device})  # straight to the device
    else:
        model = load_quantized(full, recipe, dtype, device)
    if is_adapter(place):
        model = with_saved_adapter(model, place)
    loaded: PreTrainedModel = model.to(device).eval()
    return loaded


def _numbered(device: torch.device | str) -> torch.device:
    """The device; a GPU without a number gets that of this process's GPU."""
    backend = require("torch", "train")
    found: torch.device = backend.device(device)
    if found.type == "cuda" and found.index is None:
        found = backend.device("cuda", backend.cuda.current_device())
    return found


def load_quantized(place: str, recipe: ModelRecipe, dtype: str | None, device: torch.device | str) -> PreTrainedModel:
    """A full model with its language model in 4 bits. It computes in `dtype` (default: the recipe's).

    Weights are quantized from the recipe's precision, whatever the compute precision, so the codes are always the same.
    """
    bits, torch = require(BITSANDBYTES, BITSANDBYTES), require("torch", "train")
    decoder = _decoder_name(load_skeleton(place, recipe))
    options = _transformers().BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype or recipe.dtype),
        llm_int8_skip_modules=[rf"(?!{re.escape(decoder)}\.)"],  # all modules outside the decoder
    )
    model = _full_model(place, recipe, None, quantization_config=options, device_map={"": device})
    for weight in model.parameters():
        if weight.is_floating_point():  # not packed in 4 bits
            on_cpu = weight.device.type == "cpu"  # a view of the mapped file would keep all its pages in memory
            weight.data = weight.data.to(getattr(torch, dtype or recipe.dtype), copy=on_cpu)
    for module in model.modules():
        if isinstance(module, bits.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False  # a CPU kernel that changes the weights and has no gradient
    return model


def _decoder_name(model: PreTrainedModel) -> str:
    decoder = model.get_decoder()
    names: dict[object, str] = {module: name for name, module in model.named_modules()}
    return names[decoder]


def load_part(path: str, recipe: ModelRecipe, dtype: str, processes: int) -> PreTrainedModel:
    """A full model, of which each of the `processes` reads only its part of the weights, as DTensors.

    transformers shards for the machine's accelerator. If that is not the recipe's device, weights are whole tensors.
    """
    accelerator = require("torch", "train").accelerator.current_accelerator()
    if (accelerator.type if accelerator else "cpu") != device_of(recipe).type:
        return _full_model(resolve_model(path), recipe, dtype)
    _transformers()
    from transformers.distributed import DistributedConfig

    return _full_model(resolve_model(path), recipe, dtype, distributed_config=DistributedConfig(fsdp_size=processes))


def load_skeleton(path: str, recipe: ModelRecipe, dtype: str | None = None) -> PreTrainedModel:
    """A full model without the values of its weights (on the meta device), which needs neither memory nor time."""
    return _full_model(resolve_model(path), recipe, dtype, device_map="meta")


def _full_model(place: str, recipe: ModelRecipe, dtype: str | None, **more: Any) -> PreTrainedModel:
    revision = revision_of(place, recipe)
    refuse_own_code(place, recipe)
    options = {"generation_config": generation_config(place, revision), **build_options(recipe, dtype), **more}
    options |= {"trust_remote_code": False, "use_safetensors": True, "output_loading_info": True}
    model: PreTrainedModel
    with library_errors(place, f"{_where(place)} cannot be loaded as a model", remedy), BUILDING, _without_its_log():
        model, info = _transformers().AutoModelForImageTextToText.from_pretrained(place, revision=revision, **options)
    if lost := sorted(info["missing_keys"]):
        raise InputError(
            f"{place}: its files lack the weight '{lost[0]}', which transformers would fill with random values; use a "
            "complete model folder"
        )
    from stages.core.vlm.windows import attend_at_once

    attend_at_once(model)
    return model


@contextmanager
def _without_its_log() -> Iterator[None]:
    """Hide transformers' table of weights that do not fit, since vz's own error says what is wrong in one line."""
    logger = logging.getLogger("transformers.modeling_utils")
    before, logger.disabled = logger.disabled, True  # a higher level would make it check tensor parallelism, and warn
    try:
        yield
    finally:
        logger.disabled = before


def build_options(recipe: ModelRecipe, dtype: str | None = None) -> dict[str, Any]:
    """The precision and attention kernel for building a model."""
    kernel = {}
    if recipe.attention is not None:
        from stages.core.vlm import grouped

        grouped.register()
        kernel = {"attn_implementation": recipe.attention}
    return {"dtype": getattr(require("torch", "train"), dtype or recipe.dtype), **kernel}


def with_saved_adapter(model: PreTrainedModel, place: str) -> PreTrainedModel:
    """`model` with the saved adapter. On its own, PEFT ignores weights that have no place."""
    check_files(place)
    with library_errors(place, "the adapter does not load on its base model"):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Found missing adapter keys")  # an error below
            with BUILDING:
                adapted: PreTrainedModel = require("peft", "train").PeftModel.from_pretrained(model, place)
        load_adapter_weights(adapted, place)
    return adapted


def revision_of(place: str | Path, recipe: ModelRecipe) -> str | None:
    """The recipe's revision if `place` is its model on the hub; None for folders and other models."""
    return recipe.revision if str(place) == recipe.path and not Path(place).exists() else None


def refuse_own_code(place: str, recipe: ModelRecipe) -> None:
    """`InputError` for a model that needs its own code, which vz never runs, or has a damaged file.

    OpenGVLab publishes InternVL in two formats; the message names the one that transformers supports. Others publish
    models trained from it only with its code.
    """
    check_files(place)
    transformers = _transformers()
    try:
        config, _ = transformers.PreTrainedConfig.get_config_dict(place, revision=revision_of(place, recipe))
    except (OSError, ValueError):
        return  # loading reports it
    kind = config.get("model_type")
    if "auto_map" not in config or kind in transformers.CONFIG_MAPPING:
        return
    other = "use a model that transformers supports natively"
    if kind == "internvl_chat":
        name = f"{place}-hf" if place.startswith("OpenGVLab/") else "OpenGVLab/InternVL3-8B-hf"
        other = f"OpenGVLab's models also exist in transformers' own format, in repositories that end in -hf: {name}"
    raise InputError(f"{place}: its model type '{kind}' is code in its own repository, which vz does not run; {other}")


def _check_interface(place: str, processor: object) -> None:
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
        raise InputError(f"{place}: has no processor for pictures and text; a vision–language model is needed")
    if not hasattr(processor, "apply_chat_template"):
        raise InputError(
            f"{place}: its processor {type(processor).__name__} has no apply_chat_template, so it does not follow the "
            "Hugging Face interface; use a model whose processor does"
        )


def _check_pixel_limits(place: str, processor: ProcessorMixin, limits: dict[str, int]) -> None:
    """`InputError` for a limit that the processor does not know, since transformers would ignore it."""
    kind = type(processor.image_processor)
    known = getattr(getattr(kind, "valid_kwargs", None), "__annotations__", limits)
    for name in limits:
        if name not in known:
            own = ", ".join(sorted(option for option in known if "size" in option or "patches" in option))
            raise InputError(
                f"model.{name}: the processor of {place} ({kind.__name__}) has no such limit, so it would have no "
                f"effect; set model.{name}=null and use the processor's own options in "
                f"model.processor{f' ({own})' if own else ''}"
            )


def _transformers() -> ModuleType:
    """transformers, without progress bars: vz shows its own."""
    library = require("transformers", "train")
    library.utils.logging.disable_progress_bar()
    return library


def _where(place: str) -> str:
    return "this folder" if Path(place).exists() else "this name (no folder here, so one on the hub)"


def device_of(recipe: ModelRecipe) -> torch.device:
    """The recipe's device. `InputError` if it is CUDA and there is no GPU."""
    backend = require("torch", "train")
    available = backend.cuda.is_available()
    if recipe.device == "cuda" and not available:
        raise InputError("model.device is cuda, but torch sees no GPU here; run `vz doctor` for details")
    device: torch.device = backend.device("cuda" if available and recipe.device != "cpu" else "cpu")
    return device


def free_accelerator() -> None:
    """Return GPU memory that torch holds but does not use."""
    backend = require("torch", "train")
    if backend.cuda.is_available():
        backend.cuda.empty_cache()


def set_threads(threads: int | None) -> None:
    """Set torch's CPU threads in this process (None: torch decides), and keep freed memory between steps."""
    if threads is not None:
        require("torch", "train").set_num_threads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Make glibc keep freed memory. Returning large blocks after each step took a third of a CPU run's time."""
    with suppress(OSError, AttributeError):  # other C libraries have no mallopt
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in MALLOC_OPTIONS.items():
            mallopt(parameter, value)


def remedy(error: Exception) -> str:
    """The end of a message that quotes `error`: the command that installs a missing package, or an empty string."""
    words = str(error).lower()
    install = "pip install 'vz-selfplay[vision]'"
    if "torchvision" in words and find_spec("torchvision") is not None:
        replace = f"pip uninstall torchvision, then {install}"
        return f"; the installed torchvision does not match this torch: {replace}{_caution()}"
    if any(name in words for name in _IN_VISION):
        return f"; this family needs: {install}{_caution()}"
    others = sorted({package for name, package in _OTHERS.items() if name in words})
    return f"; this model needs: pip install {' '.join(others)}" if others else ""


def _caution() -> str:
    """A CPU build of torch cannot use the torchvision that pip installs by default, which is built for CUDA."""
    if require("torch", "train").version.cuda is not None:
        return ""
    return " with --extra-index-url naming PyTorch's CPU index, since this torch is a CPU build"
