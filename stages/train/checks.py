"""Checks before training: that the start fits the recipe, and that a checkpoint can be written afterwards."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.recipe.model import Lora
from stages.core.vlm.loading import load_skeleton
from stages.core.vlm.saving import check_savable, is_quantized, local_folder
from stages.train.adapter import check_adapter, check_base, check_state, fill_adapter, with_adapter
from stages.train.job import Job
from stages.train.state import read_info

if TYPE_CHECKING:
    from transformers import PreTrainedModel

REACH = 0.5  # share of the language model's weights; an adapter that reaches less gets a warning


def check(job: Job) -> list[str]:
    """Refuse what would fail during loading or export, without loading weights. Returns warnings."""
    lora = job.recipe.model.lora
    if lora is not None:
        return _check_lora(job, lora)
    _check_full_weights(job)
    return []


def _check_full_weights(job: Job) -> None:
    model = job.recipe.model
    if vlm.is_adapter(job.model):
        raise InputError(f"{job.model}: is a LoRA adapter, but the recipe trains all weights; set model.lora")
    folder = local_folder(job.model, vlm.revision_of(job.model, model))
    if is_quantized(folder):
        raise InputError(
            f"{job.model}: its weights are quantized, so they cannot all train; take the model in full precision, "
            "or set model.lora"
        )
    check_savable(load_skeleton(job.model, model), folder)


def _check_lora(job: Job, lora: Lora) -> list[str]:
    if vlm.is_adapter(job.base):
        base = vlm.base_of_adapter(job.base, job.recipe.model)
        raise InputError(
            f"{job.base}: is an adapter, but KL is measured to a full model, on which the adapter trains; give its "
            f"base {base} as model.path (or --base), and the adapter as --model"
        )
    if vlm.is_adapter(job.model):
        check_adapter(job.model, lora)
        check_base(job.model, job.base, job.recipe.model)
    elif job.model != job.base:
        raise InputError(
            f"{job.model}: with model.lora, the start must be the base model {job.base} or an adapter of it; otherwise "
            "KL would be measured to weights that did not play the rows"
        )
    if job.state_in is not None:
        check_state(job.state_in, read_info(Path(job.state_in)).adapter, lora)
    policy = with_adapter(load_skeleton(job.base, job.recipe.model), lora, job.recipe.seed)
    if vlm.is_adapter(job.model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a skeleton, which takes no values
            fill_adapter(policy, job.model, lora)
    return _reach_warnings(policy)


def _reach_warnings(policy: PreTrainedModel) -> list[str]:
    """A warning if the adapter does not reach most of the language model's weights."""
    from peft.tuners.lora import LoraLayer
    from peft.tuners.lora.layer import ParamWrapper

    adapted = [module for module in policy.modules() if isinstance(module, LoraLayer)]
    reached = {
        id(each.get_param() if isinstance(each, ParamWrapper) else each.get_base_layer().weight) for each in adapted
    }
    weights = _matrices(policy)
    missed = {name: weight for name, weight in weights.items() if id(weight) not in reached}
    total = sum(weight.numel() for weight in weights.values())
    share = sum(weight.numel() for weight in missed.values()) / max(1, total)
    if share <= REACH:
        return []
    experts = list(dict.fromkeys(_in_its_layer(name) for name, weight in missed.items() if weight.dim() > 2))
    remedy = f"target_parameters=[{', '.join(experts)}]" if experts else "target_modules=all-linear"
    largest = max(missed, key=lambda name: missed[name].numel())
    return [
        f"model.lora does not reach {share:.0%} of the language model's weights (such as '{_in_its_layer(largest)}'), "
        f"so they stay as they are; to train them, set model.lora.{remedy}"
    ]


def _matrices(policy: PreTrainedModel) -> dict[str, Any]:
    """The base's weights that an adapter could change: matrices of the language model's layers."""
    model: Any = policy
    decoder = model.get_base_model().get_decoder()
    embeddings = {id(weight) for weight in decoder.get_input_embeddings().parameters()}
    return {
        name.replace("base_layer.", ""): weight
        for name, weight in decoder.named_parameters()
        if "lora_" not in name and weight.dim() >= 2 and id(weight) not in embeddings
    }


def _in_its_layer(name: str) -> str:
    """A weight's name inside its layer: `mlp.experts.down_proj` for `layers.3.mlp.experts.down_proj`."""
    return re.sub(r"^.*?\b\d+\.", "", name)
