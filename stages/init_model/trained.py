"""What teaching adds to a pretrained language model: eyes and an adapter, small enough (a few MB) to ship.

`grow` makes the whole model from these and the language model, which comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from stages.core.errors import InputError
from stages.core.folder.files import read_json, write_json
from stages.init_model.graft import graft
from stages.init_model.plan import Adapter, Eyes

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    from stages.init_model.language_model import LanguageModel

T = TypeVar("T")

WEIGHTS, ABOUT = "trained.safetensors", "trained.json"
_EYES = ("model.vision_tower.", "model.multi_modal_projector.")
_MATRICES = r"model\.language_model\..*_proj"
_A, _B = ".lora_A", ".lora_B"
_NAME = "new"


def add_adapter(model: LlavaForConditionalGeneration, adapter: Adapter, seed: int) -> None:
    """Give the language model a LoRA adapter in float32. From now on, only the adapter, tower and connector learn."""
    from peft import LoraConfig
    from transformers import set_seed

    set_seed(seed)
    config = LoraConfig(r=adapter.rank, lora_alpha=adapter.alpha, target_modules=_MATRICES)
    model.add_adapter(config, adapter_name=_NAME)
    for module in model.modules():
        if hasattr(module, "lora_A"):
            module.cast_input_dtype_enabled = False  # autocast does this, without a copy in float32
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
        weight.requires_grad_("lora_" in name or name.startswith(_EYES))


def eyes_of(model: LlavaForConditionalGeneration) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and weights of the tower and the connector."""
    return ((name, weight) for name, weight in model.named_parameters() if name.startswith(_EYES))


def adapter_of(model: LlavaForConditionalGeneration) -> Iterator[tuple[str, nn.Parameter]]:
    """Names and weights of the adapter."""
    return ((name, weight) for name, weight in model.named_parameters() if "lora_" in name)


def write_trained(
    folder: Path, model: LlavaForConditionalGeneration, eyes: Eyes, adapter: Adapter, about: Mapping[str, Any]
) -> None:
    """Write the trained weights in bfloat16, and a description of what they belong to."""
    from safetensors.torch import save_file

    weights = {name: weight.detach().bfloat16().contiguous() for name, weight in eyes_of(model)}
    for name, weight in adapter_of(model):
        weights[name.removesuffix(f".{_NAME}.weight")] = weight.detach().bfloat16().contiguous()
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)
    write_json(folder / ABOUT, {"eyes": asdict(eyes), "adapter": asdict(adapter), **about})


def eyes_in(folder: Path) -> Eyes:
    """The shape of trained eyes."""
    return _part_of(folder, "eyes", Eyes)


@torch.no_grad()
def grow(language: LanguageModel, folder: Path) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """The whole model in bfloat16: the language model with the trained eyes, and the adapter merged into it."""
    from safetensors.torch import load_file

    model, processor = graft(language, eyes_in(folder), seed=0)
    weights, adapter = load_file(folder / WEIGHTS), _part_of(folder, "adapter", Adapter)
    own = model.state_dict()
    for name in [name for name in weights if name.startswith(_EYES)]:
        _check(folder, name, weights[name], own)
        own[name].copy_(weights.pop(name))
    exact = {
        f"model.language_model.{name}": weight for name, weight in language.model.get_decoder().state_dict().items()
    }
    for name in [name.removesuffix(_A) for name in weights if name.endswith(_A)]:
        change = weights[name + _B].float() @ weights[name + _A].float() * (adapter.alpha / adapter.rank)
        _check(folder, f"{name}.weight", change, own)
        own[f"{name}.weight"].copy_(exact[f"{name}.weight"] + change)
    return model.bfloat16(), processor


def _part_of(folder: Path, name: str, kind: type[T]) -> T:
    """The folder's description of its `name`. `InputError` if it does not describe a `kind`."""
    try:
        return kind(**read_json(folder / ABOUT)[name])
    except (TypeError, KeyError) as error:
        raise InputError(
            f"{folder / ABOUT}: has no readable entry '{name}'; get the folder again, or teach the language model "
            "here with init_model.trained=null"
        ) from error


def _check(folder: Path, name: str, weight: Tensor, own: Mapping[str, Tensor]) -> None:
    if name not in own or own[name].shape != weight.shape:
        raise InputError(
            f"{folder}: its weight '{name}' does not fit this language model; use the one that it was trained on "
            f"({read_json(folder / ABOUT).get('language_model', 'see its README')}), or teach this one with "
            "init_model.trained=null"
        )
