"""Teaching a pretrained language model to see and to play: lessons, measurement, and the plain folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from stages.core.recipe import Recipe
from stages.core.seeds import derive, rng
from stages.core.vlm import grouped
from stages.core.vlm.arithmetic import has_bfloat16
from stages.init_model.batches import to_pixels
from stages.init_model.courses import teach
from stages.init_model.english.lessons import English, attribute_lesson, caption_lesson
from stages.init_model.english.plain import PlainTexts, own_texts, perplexity
from stages.init_model.exam import Exam
from stages.init_model.graft import graft
from stages.init_model.language_model import load_language_model
from stages.init_model.measure import Voice, play
from stages.init_model.pictures import Album
from stages.init_model.plan import STATE, TRAINED, Teaching
from stages.init_model.teach import Teacher
from stages.init_model.trained import adapter_of, add_adapter, eyes_of, grow, write_trained

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor


def teach_english(
    recipe: Recipe, name: str, train: Album, held_out: Album, plan: Teaching, work: Path
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor, dict[str, Any]]:
    """The model put together from what it learned, its processor, and what became of it.

    What it learned stays in `work`, and until then a state from which the teaching goes on.
    """
    assert plan.adapter is not None
    language = load_language_model(name)
    model, processor = graft(language, plan.body, recipe.seed)
    _hasten(model)
    untouched = perplexity(model, processor.tokenizer)
    texts = own_texts(model, processor.tokenizer, derive(recipe.seed, "init-model", "plain"))
    add_adapter(model, plan.adapter, recipe.seed)
    model.set_attn_implementation("eager")  # on a CPU, the usual kernel's backward pass is slow in bfloat16
    teacher = Teacher(plan, recipe.game, model, processor, train, recipe.seed, speech=English(), state=work / STATE)
    teacher.plain = PlainTexts(model, *texts)
    pixels = to_pixels(processor, list(held_out.pictures))
    taught = teach(teacher, Exam(teacher, held_out, pixels, recipe.seed))
    counts = {
        "language_model": Path(name).name,
        "trained_weights": sum(weight.numel() for _, weight in (*eyes_of(model), *adapter_of(model))),
        "parameters": language.model.num_parameters() + sum(weight.numel() for _, weight in eyes_of(model)),
        **taught,
        "perplexity_untouched": round(untouched, 3),
    }
    folder = work / TRAINED
    folder.mkdir(exist_ok=True)
    write_trained(folder, model, plan.body, plan.adapter, {"language_model": counts["language_model"]})
    whole, processor = grow(language, folder)
    _hasten(whole)
    grouped.register()
    whole.set_attn_implementation(grouped.NAME)  # the fastest on a CPU
    measured = _measured(Voice(whole, processor, pixels, teacher.speech, plan), held_out, recipe)
    return whole.bfloat16(), processor, {**counts, **measured}


@torch.no_grad()
def _measured(voice: Voice, held_out: Album, recipe: Recipe) -> dict[str, Any]:
    """On pictures that were not learned from, as the model is played: the adapter merged, the weights in bfloat16."""
    dice = rng(recipe.seed, "init-model", "measure", "captions")
    views = held_out.views
    return {
        **play(voice, held_out.pairs, recipe.game, seed=recipe.seed).as_dict(),
        "captions_right": round(voice.right([caption_lesson(view) for view in views]), 4),
        "attributes_right": round(voice.right([attribute_lesson(view, dice) for view in views]), 4),
        "perplexity": round(perplexity(voice.model, voice.processor.tokenizer), 3),
    }


def _hasten(model: LlavaForConditionalGeneration) -> None:
    """Change a model in bfloat16 to float32 where the CPU has no bfloat16 instructions: several times faster there."""
    if not has_bfloat16():
        model.float()
