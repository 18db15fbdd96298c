"""A checkpoint from a training state: a plain Hugging Face folder in the engine's precision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.folder.files import read_json, write_json, write_text
from stages.core.recipe import Recipe
from stages.core.vlm.model_files import CONFIG, copy_own_files, local_folder, set_dtype
from stages.core.vlm.saving import save_like
from stages.train.adapter import with_adapter
from stages.train.checks import source_of
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


def export(recipe: Recipe, state: Path, model: str, base: str, out: Path, updates: int) -> None:
    """Write the weights of `state` to `out`, with the files that lie beside the weights in the model that trained.

    All weights in `recipe.model.dtype`, or a PEFT adapter of `base` in it. What read the base reads the checkpoint:
    names, files and configs are the base's, and nothing of the run's own processor options is in them.
    """
    on_cpu = recipe.model.model_copy(update={"device": "cpu"})
    lora = recipe.model.lora
    # transformers would take a folder with a config.json for full weights, and miss the adapter.
    copy_own_files(source_of(recipe, model), out, config=lora is None)
    if lora is not None:
        policy = with_adapter(vlm.load_model(base, on_cpu).requires_grad_(False), lora, recipe.seed)
        load_weights(state, trainable(policy))
        _save_adapter(policy, base, recipe, out)
    else:
        policy = vlm.load_model(model, on_cpu)
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
    said = ", ".join(f"`{name}`: `{value}`" for name, value in named.items())
    options = f"Training set these options of the processor: {said}." if said else ""
    library = "transformers" if full else "peft"
    return _CARD.format(base=_name(base), library=library, updates=updates, form=form, options=options).rstrip() + "\n"


def _save_adapter(policy: PreTrainedModel, base: str, recipe: Recipe, out: Path) -> None:
    adapter: Any = policy
    adapter.peft_config["default"].base_model_name_or_path = _name(base)
    adapter.peft_config["default"].revision = recipe.model.revision
    adapter.save_pretrained(str(out), save_embedding_layers=False)
    path = out / vlm.ADAPTER_CONFIG
    config = read_json(path)
    for name, value in config.items():
        if isinstance(value, list):
            config[name] = sorted(value)  # PEFT keeps sets, whose order changes from process to process
    write_json(path, config)


def _name(base: str) -> str:
    """How the checkpoint names its base: by hub name, or by an absolute path so that PEFT finds it from anywhere.

    vz finds a base that moved with its adapter as well (`vlm.base_of_adapter`).
    """
    return os.path.abspath(base) if Path(base).exists() else base
