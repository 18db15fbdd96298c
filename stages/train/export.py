"""A checkpoint from the weights in memory: a plain Hugging Face folder in the engine's precision."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from stages.core import vlm
from stages.core.clock import clock
from stages.core.folder.artifact import MANIFEST
from stages.core.folder.files import read_json, replace_folder, write_json, write_text
from stages.core.recipe import Recipe
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.adapters import ADAPTER_CONFIG
from stages.core.vlm.loading import load_skeleton, processor_place
from stages.core.vlm.saving import CONFIG, copy_own_files, has_weights, local_folder, save_like, set_dtype
from stages.train.job import Job
from stages.train.policy import trainable
from stages.train.state import whole

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CARD = """---
base_model: {base}
library_name: {library}
pipeline_tag: image-text-to-text
tags: [vision-zero, self-play, grpo]
---
# A policy trained by self-play

Trained with [Vision-Zero](https://arxiv.org/abs/2509.25541)'s game "Who is the spy?" by `vz`, after {updates} optimizer
steps from `{base}`. {form} `training.json` has the measures of each step, `manifest.json` says how it was made.

Configuration, processor and tokenizer are the base's own files. {options}
"""


@clock.part("writing weights")
def export(policy: PreTrainedModel, job: Job, updates: int, *, main: bool) -> None:
    """Write the policy to `job.out`, with the other files of the model that trained.

    It writes all weights, or a PEFT adapter of the base, in `model.dtype`. Whatever reads the base can read the
    checkpoint: names, files and configs are the base's, without the run's processor options. With `job.handover`, full
    weights go there instead. All processes must call this; the main one writes.
    """
    recipe, out = job.recipe, Path(job.out or "")
    if recipe.model.lora is not None:
        dtype = getattr(torch, recipe.model.dtype)
        weights = _gathered(trainable(policy).items(), lambda _: dtype, main)
        if main:
            _save_adapter(policy, weights, job, out)
    else:
        like = job.model if has_weights(_folder(job.model, recipe)) else job.base  # a model may have been handed over
        dtypes = _stored_dtypes(job.base, recipe.model.model_dump_json())
        weights = _gathered(policy.state_dict(keep_vars=True).items(), lambda name: dtypes[name], main)
        if main and job.handover is not None:
            _hand_over(policy, weights, _folder(like, recipe), job)
            return
        if main:
            _save_full(policy, weights, _folder(like, recipe), out, recipe.model.dtype)
    if main:
        write_text(out / "README.md", _card(recipe, job.base, updates))


@lru_cache(maxsize=1)
def _stored_dtypes(base: str, recipe: str) -> dict[str, torch.dtype]:
    """The precision in which each weight is saved. It is the one in which the base and its descendants load."""
    skeleton = load_skeleton(base, ModelRecipe.model_validate_json(recipe))
    return {name: weight.dtype for name, weight in skeleton.state_dict().items()}


def _gathered(
    weights: Iterable[tuple[str, torch.Tensor]], dtype_of: Callable[[str], torch.dtype], main: bool
) -> dict[str, torch.Tensor]:
    """The whole weights in RAM, in their saved precision; tied ones once. Only the main process gets them."""
    found: dict[str, torch.Tensor] = {}
    once: dict[int, torch.Tensor] = {}
    for name, weight in weights:
        if id(weight) not in once:
            gathered = whole(weight.detach())
            once[id(weight)] = gathered.to("cpu", dtype_of(name)) if main else gathered[:0]
        found[name] = once[id(weight)]
    return found


def _save_full(policy: PreTrainedModel, weights: dict[str, torch.Tensor], like: Path, out: Path, dtype: str) -> None:
    copy_own_files(like, out, config=True)
    save_like(policy, like, out, weights)
    set_dtype(out / CONFIG, dtype)


def _hand_over(policy: PreTrainedModel, weights: dict[str, torch.Tensor], like: Path, job: Job) -> None:
    """Replace the folder from which the engine reads its next weights. It need not survive a power cut."""
    folder = Path(job.handover or "")
    work = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    _save_full(policy, weights, like, work, job.recipe.model.dtype)
    write_json(work / MANIFEST, {"stage": "train", "identity": job.state_id, "outputs": {}})
    replace_folder(work, folder, durable=False)


def _folder(place: str, recipe: Recipe) -> Path:
    return local_folder(place, vlm.revision_of(place, recipe.model))


def _card(recipe: Recipe, base: str, updates: int) -> str:
    full = recipe.model.lora is None
    form = "All weights are here." if full else "This is a LoRA adapter for it."
    fields = ("min_pixels", "max_pixels", "chat_template", "chat_template_options")
    named = {name: getattr(recipe.model, name) for name in fields}
    named = {name: value for name, value in {**named, **recipe.model.processor}.items() if value not in (None, {})}
    listed = ", ".join(f"`{name}`: `{value}`" for name, value in named.items())
    options = f"Training set these options of the processor: {listed}." if listed else ""
    library = "transformers" if full else "peft"
    return _CARD.format(base=_name(base), library=library, updates=updates, form=form, options=options).rstrip() + "\n"


def _save_adapter(policy: PreTrainedModel, weights: dict[str, torch.Tensor], job: Job, out: Path) -> None:
    recipe, adapter = job.recipe, cast(Any, policy)
    # With a config.json, transformers would expect full weights and miss the adapter.
    copy_own_files(_folder(processor_place(job.model, recipe.model), recipe), out, config=False)
    adapter.peft_config["default"].base_model_name_or_path = _name(job.base)
    adapter.peft_config["default"].revision = recipe.model.revision
    adapter.save_pretrained(str(out), save_embedding_layers=False, state_dict=weights)
    path = out / ADAPTER_CONFIG
    config = read_json(path)
    for name, value in config.items():
        if isinstance(value, list):
            config[name] = sorted(value)  # PEFT has sets, whose order changes between processes
    write_json(path, config)


def _name(base: str) -> str:
    """How the checkpoint names its base: a hub name, or an absolute path so that PEFT finds it from anywhere.

    vz also finds a base that moved with its adapter (`vlm.base_of_adapter`).
    """
    return os.path.abspath(base) if Path(base).exists() else base
