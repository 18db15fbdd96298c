"""A checkpoint from a training state: a plain Hugging Face folder in the engine's precision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.folder.files import read_json, write_json, write_text
from stages.core.recipe import Recipe
from stages.core.vlm.adapters import ADAPTER_CONFIG
from stages.core.vlm.loading import processor_place
from stages.core.vlm.saving import CONFIG, copy_own_files, local_folder, save_like, set_dtype
from stages.train.adapter import with_adapter
from stages.train.job import Job
from stages.train.policy import trainable, unfrozen
from stages.train.state import load_weights

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


def export(job: Job, out: Path, updates: int) -> None:
    """Write the weights of the job's state to `out`, with the other files of the model that trained.

    These are all weights, or a PEFT adapter of the base, in `model.dtype`. What reads the base reads the checkpoint:
    names, files and configs are the base's, without the run's processor options.
    """
    recipe, state, model, base = job.recipe, Path(job.state_out), job.model, job.base
    lora = recipe.model.lora
    place = processor_place(model, recipe.model)
    # With a config.json, transformers would expect full weights and miss the adapter.
    copy_own_files(local_folder(place, vlm.revision_of(place, recipe.model)), out, config=lora is None)
    if lora is not None:
        policy = with_adapter(vlm.load_model(base, recipe.model, device="cpu").requires_grad_(False), lora, recipe.seed)
        load_weights(state, trainable(policy))
        _save_adapter(policy, base, recipe, out)
    else:
        policy = vlm.load_model(model, recipe.model, device="cpu")
        load_weights(state, trainable(unfrozen(policy, recipe.train.freeze)))
        save_like(policy, local_folder(model, vlm.revision_of(model, recipe.model)), out)
        set_dtype(out / CONFIG, recipe.model.dtype)
    write_text(out / "README.md", _card(recipe, base, updates))


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


def _save_adapter(policy: PreTrainedModel, base: str, recipe: Recipe, out: Path) -> None:
    adapter: Any = policy
    adapter.peft_config["default"].base_model_name_or_path = _name(base)
    adapter.peft_config["default"].revision = recipe.model.revision
    adapter.save_pretrained(str(out), save_embedding_layers=False)
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
