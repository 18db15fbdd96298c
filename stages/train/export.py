"""A checkpoint from a training state: a plain Hugging Face folder in the engine's precision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core import vlm
from stages.core.files import read_json, write_json, write_text
from stages.core.recipe import Recipe
from stages.core.save_model import save_model
from stages.train.policy import trainable, unfrozen, with_adapter
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
steps from `{base}`. {form} What came of each step is in `training.json`, how it was made in `manifest.json`.
"""


def export(recipe: Recipe, state: Path, model: str, base: str, out: Path, updates: int) -> None:
    """Write the weights of `state` to `out` with processor, generation config and model card.

    All weights in `recipe.model.dtype`, or a PEFT adapter of `base` in it. transformers and vLLM load it as it is.
    """
    on_cpu = recipe.model.model_copy(update={"device": "cpu"})
    lora = recipe.model.lora
    policy = vlm.load_model(base if lora is not None else model, on_cpu)
    generation = policy.generation_config
    if lora is not None:
        policy = with_adapter(policy.requires_grad_(False), lora, recipe.seed)
        load_weights(state, trainable(policy))
        _save_adapter(policy, base, recipe, out)
    else:
        load_weights(state, trainable(unfrozen(policy, recipe.train.freeze)))
        save_model(policy, out)
    if generation is not None:
        generation.save_pretrained(out)
    vlm.load_processor(model, recipe.model).save_pretrained(out)
    form = "All weights are here." if lora is None else "This is a LoRA adapter for it."
    library = "transformers" if lora is None else "peft"
    write_text(out / "README.md", _CARD.format(base=_name(base), library=library, updates=updates, form=form))


def _save_adapter(policy: PreTrainedModel, base: str, recipe: Recipe, out: Path) -> None:
    adapter: Any = policy
    adapter.peft_config["default"].base_model_name_or_path = _name(base)
    adapter.peft_config["default"].revision = recipe.model.revision
    adapter.save_pretrained(str(out), save_embedding_layers=False)
    path = out / vlm.ADAPTER_CONFIG
    config = read_json(path)
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()  # PEFT keeps a set, whose order changes from process to process
    write_json(path, config)


def _name(base: str) -> str:
    """How the checkpoint names its base: a hub name as it is, a folder so that it is found from anywhere."""
    return os.path.abspath(base) if Path(base).exists() else base
