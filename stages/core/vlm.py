"""One way to load a policy and to turn messages and pictures into its inputs, shared by sampler and trainer.

That both go through `encode` is what makes `prompt_sha256` a check of the versions and options, not of two code paths.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.game.prompting import Message
from stages.core.recipe.load import resolve_model
from stages.core.recipe.model import Model as ModelRecipe

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from transformers import BatchFeature, PreTrainedModel, ProcessorMixin

# glibc's M_TRIM_THRESHOLD, M_TOP_PAD and M_MMAP_THRESHOLD, in bytes.
MALLOC_OPTIONS = {-1: 2**31 - 1, -2: 64 * 2**20, -3: 2**30}

ADAPTER_CONFIG = "adapter_config.json"


def load_processor(path: str | Path, recipe: ModelRecipe) -> ProcessorMixin:
    """The processor of a model folder or hub name, with the recipe's pixel limits, options and chat template."""
    transformers = _transformers()
    place = resolve_model(str(path))
    options = dict(recipe.processor)
    if recipe.min_pixels is not None:
        options["min_pixels"] = recipe.min_pixels
    if recipe.max_pixels is not None:
        options["max_pixels"] = recipe.max_pixels
    try:
        processor = transformers.AutoProcessor.from_pretrained(place, revision=_revision(place, recipe), **options)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{place}: the processor of {_where(place)} cannot be loaded: {_first_line(error)}") from error
    if not hasattr(processor, "tokenizer") or not hasattr(processor, "image_processor"):
        raise InputError(f"{place}: has no processor for pictures and text; a vision–language model is needed")
    if recipe.chat_template is not None:
        processor.chat_template = Path(recipe.chat_template).read_text(encoding="utf-8")
    if getattr(processor, "chat_template", None) is None:
        raise InputError(f"{place}: has no chat template; give one as model.chat_template")
    if processor.tokenizer.pad_token_id is None:
        processor.tokenizer.pad_token = processor.tokenizer.eos_token
    processor.tokenizer.padding_side = "left"  # not kept on disk by transformers; right padding corrupts some models
    return processor


def load_model(path: str | Path, recipe: ModelRecipe, dtype: str | None = None) -> PreTrainedModel:
    """The policy's weights on its device, in eval mode. A PEFT adapter folder loads its base model and the adapter."""
    transformers = _transformers()
    torch = require("torch", "train")
    place = resolve_model(str(path))
    options: dict[str, Any] = {"dtype": getattr(torch, dtype or recipe.dtype)}
    if recipe.attention is not None:
        options["attn_implementation"] = recipe.attention
    weights = base_of_adapter(place) or place
    try:
        model = transformers.AutoModelForImageTextToText.from_pretrained(
            resolve_model(weights), revision=_revision(weights, recipe), **options
        )
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"{weights}: {_where(weights)} cannot be loaded as a model: {_first_line(error)}") from error
    if weights != place:
        model = require("peft", "train").PeftModel.from_pretrained(model, place)
    loaded: PreTrainedModel = model.to(device_of(recipe)).eval()
    return loaded


def base_of_adapter(place: str) -> str | None:
    """The model that a PEFT adapter folder belongs to; None for a folder of full weights."""
    config = Path(place) / ADAPTER_CONFIG
    if not config.is_file():
        return None
    base = json.loads(config.read_text(encoding="utf-8")).get("base_model_name_or_path")
    if not base:
        raise InputError(f"{config}: names no base model")
    return str(base)


def device_of(recipe: ModelRecipe) -> torch.device:
    """Where the recipe wants the model; asking for CUDA without any is an error."""
    backend = require("torch", "train")
    available = backend.cuda.is_available()
    if recipe.device == "cuda" and not available:
        raise InputError("model.device is cuda, but torch sees no GPU here; `vz doctor` says more")
    device: torch.device = backend.device("cuda" if available and recipe.device != "cpu" else "cpu")
    return device


def encode(
    processor: ProcessorMixin, prompts: Sequence[list[Message]], pictures: Sequence[Sequence[Image.Image]]
) -> BatchFeature:
    """Model inputs of B prompts, left padded: `input_ids` [B, L], `attention_mask` [B, L] and the picture tensors."""
    texts = [
        processor.apply_chat_template(plain_messages(prompt), tokenize=False, add_generation_prompt=True)
        for prompt in prompts
    ]
    images = [list(own) for own in pictures]
    return processor(
        text=texts,
        images=images if any(images) else None,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        **_special_tokens(processor, texts[0]),
    )


def plain_messages(prompt: list[Message]) -> list[Message]:
    """Messages as chat templates expect them: picture parts without a `text` key."""
    return [
        {
            "role": message["role"],
            "content": [
                {"type": "text", "text": part["text"]} if part["type"] == "text" else {"type": part["type"]}
                for part in message["content"]
            ],
        }
        for message in prompt
    ]


def prompt_hash(ids: Sequence[int]) -> str:
    """SHA-256 of the token ids as 32-bit little-endian integers."""
    return hashlib.sha256(b"".join(int(token).to_bytes(4, "little") for token in ids)).hexdigest()


def unpadded(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> list[list[int]]:
    """The token ids of each row of [B, L] without its padding."""
    return [row[mask.bool()].tolist() for row, mask in zip(input_ids, attention_mask, strict=True)]


def placeholder_tokens(model: PreTrainedModel) -> list[int]:
    """Token ids that stand for pictures or video in a prompt; a policy must never say them."""
    names = [f"{kind}_token_{suffix}" for kind in ("image", "video", "audio") for suffix in ("id", "index")]
    found = (getattr(model.config, name, None) for name in names)
    return sorted({token for token in found if isinstance(token, int)})


def stop_tokens(model: PreTrainedModel, processor: ProcessorMixin) -> list[int]:
    """The token ids that end an answer: those of the generation config, and the tokenizer's own."""
    ids = model.generation_config.eos_token_id
    listed = ids if isinstance(ids, list) else [ids]
    found = {token for token in [*listed, processor.tokenizer.eos_token_id] if token is not None}
    if not found:
        raise InputError("the model names no token that ends an answer (eos_token_id)")
    return sorted(found)


def free_accelerator() -> None:
    """Give the GPU memory that torch holds but does not use back to other processes."""
    backend = require("torch", "train")
    if backend.cuda.is_available():
        backend.cuda.empty_cache()


def set_threads(threads: int | None) -> None:
    """CPU threads of torch in this process (None leaves torch's own choice), and memory that is kept between steps."""
    if threads is not None:
        require("torch", "train").set_num_threads(threads)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Tell glibc to keep what is freed; giving large blocks back after each step took a third of a CPU run's time."""
    with suppress(OSError, AttributeError):  # another C library has no mallopt, and needs none
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in MALLOC_OPTIONS.items():
            mallopt(parameter, value)


def _special_tokens(processor: ProcessorMixin, text: str) -> dict[str, bool]:
    # A chat template that writes <bos> itself must not get a second one from the tokenizer.
    bos = processor.tokenizer.bos_token
    return {"add_special_tokens": False} if bos and text.startswith(bos) else {}


def _transformers() -> ModuleType:
    """transformers, without its own progress bars: ours say how far a stage is."""
    library = require("transformers", "train")
    library.utils.logging.disable_progress_bar()
    return library


def _where(place: str) -> str:
    return "this folder" if Path(place).exists() else "this name (no folder here, so one on the hub)"


def _revision(place: str, recipe: ModelRecipe) -> str | None:
    return None if Path(place).exists() else recipe.revision


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
