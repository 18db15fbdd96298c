"""Does a chat template write vz's prompts? Tried when the processor is loaded, before anything is played."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.errors import InputError, VzError, first_line
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.prompts import prompt_text
from stages.core.vlm.tokens import picture_tokens

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from stages.core.game.prompting import Message

_TEXTS = ("Before the picture.", "After the picture.")
_PARTS = [{"type": "text", "text": _TEXTS[0]}, {"type": "image", "text": None}, {"type": "text", "text": _TEXTS[1]}]
_PROMPT: list[Message] = [{"role": "user", "content": _PARTS}]
_REMEDY = (
    "set model.chat_template to a file with a Jinja template that writes one user message of text and a picture, such "
    "as the template of the model's vision variant"
)


def set_template(place: str, processor: ProcessorMixin, recipe: ModelRecipe) -> None:
    """Give the processor the recipe's chat template and options. `InputError` unless prompts come out whole."""
    if recipe.chat_template is not None:
        try:
            processor.chat_template = Path(recipe.chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"model.chat_template: {recipe.chat_template}: cannot be read: {error}") from error
    elif getattr(processor, "chat_template", None) is None:
        raise InputError(f"{place}: has no chat template; {_REMEDY}")
    where = f"{place}: its chat template" if recipe.chat_template is None else f"{recipe.chat_template}: this template"
    processor.chat_template_options = dict(recipe.chat_template_options)
    try:
        _check_options(where, processor, recipe.chat_template_options)
        text = prompt_text(processor, _PROMPT)
    except InputError:
        raise
    except Exception as error:  # a template is foreign code: whatever it raises means that it does not take the prompt
        raise InputError(f"{where} refuses a prompt of the game: {first_line(error)}; {_REMEDY}") from error
    before, _, after = text.partition(_TEXTS[0])
    if before == text or _TEXTS[1] not in after:
        raise InputError(f"{where} leaves out some of a prompt's text; {_REMEDY}")
    if not _shows_pictures(processor):
        raise InputError(f"{where} is for text alone: it leaves out the picture; {_REMEDY}")


def opened_thought(processor: ProcessorMixin, tags: Collection[tuple[str, str]]) -> str:
    """The end of every prompt from where the chat template opens a thought, e.g. `<think>` and a line break; empty
    where the template opens none, or closes it again (as Qwen3's does with `enable_thinking: false`)."""
    tail = prompt_text(processor, _PROMPT).rpartition(_TEXTS[1])[2]
    for opening, closing in tags:
        _, found, after = tail.rpartition(opening)
        if found and closing not in after:
            return opening + after
    return ""


def _check_options(where: str, processor: ProcessorMixin, options: Collection[str]) -> None:
    """transformers hands options that the template does not use to the processor, which ignores them."""
    if not options:
        return
    from transformers.utils.chat_template_utils import _get_template_variables

    template = processor.chat_template
    template = template.get("default") if isinstance(template, dict) else template
    used = _get_template_variables(template)
    for name in options:
        if name not in used:
            raise InputError(
                f"model.chat_template_options: {where} does not use '{name}', so it would do nothing; the template "
                f"uses {', '.join(sorted(used))}: remove the option, or correct its name"
            )


def _shows_pictures(processor: ProcessorMixin) -> bool:
    try:
        return bool(picture_tokens(processor))
    except VzError:  # a processor that finds no place for its picture
        return False
