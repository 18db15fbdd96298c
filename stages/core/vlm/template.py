"""Chat templates: tests on loading whether a template can write vz's prompts. Also reads the text of answers."""

from __future__ import annotations

import signal
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stages.core.errors import InputError, VzError, first_line
from stages.core.game.thinking import Tags
from stages.core.recipe.model import Model as ModelRecipe
from stages.core.vlm.prompts import prompt_text
from stages.core.vlm.tokens import picture_tokens

if TYPE_CHECKING:
    from transformers import ProcessorMixin

    from stages.core.game.prompting import Message

LONGEST_TRIAL = 4  # seconds that a template may take for one small prompt
_TEXTS = ("Before the picture.", "After the picture.")
_PARTS = [{"type": "text", "text": _TEXTS[0]}, {"type": "image", "text": None}, {"type": "text", "text": _TEXTS[1]}]
_PROMPT: list[Message] = [{"role": "user", "content": _PARTS}]
_REMEDY = (
    "set model.chat_template to a file with a Jinja template that writes one user message of text and a picture, such "
    "as the template of the model's vision variant"
)


def set_template(place: str, processor: ProcessorMixin, recipe: ModelRecipe) -> None:
    """Give the processor the recipe's chat template and options. `InputError` unless it writes complete prompts."""
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
        with _time_limit(where):
            text = prompt_text(processor, _PROMPT)
    except InputError:
        raise
    except Exception as error:  # any error means that the template cannot write the prompt
        raise InputError(f"{where} refuses a prompt of the game: {first_line(error)}; {_REMEDY}") from error
    before, _, after = text.partition(_TEXTS[0])
    if before == text or _TEXTS[1] not in after:
        raise InputError(f"{where} leaves out part of a prompt's text; {_REMEDY}")
    if not _shows_pictures(processor):
        raise InputError(f"{where} is for text only: it leaves out the picture; {_REMEDY}")


@contextmanager
def _time_limit(where: str) -> Iterator[None]:
    """`InputError` for a template that takes too long. Only the main thread can be interrupted this way."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: object) -> None:
        raise InputError(f"{where} takes more than {LONGEST_TRIAL} s for one prompt; {_REMEDY}")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_TRIAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def opened_thought(processor: ProcessorMixin, tags: Collection[tuple[str, str]]) -> str:
    """The end of every prompt, from where the chat template opens a thought, e.g. `<think>` and a line break.

    Empty if the template opens no thought, or closes it again (like Qwen3's with `enable_thinking: false`).
    """
    tail = prompt_text(processor, _PROMPT).rpartition(_TEXTS[1])[2]
    for opening, closing in tags:
        _, found, after = tail.rpartition(opening)
        if found and closing not in after:
            return opening + after
    return ""


def _check_options(where: str, processor: ProcessorMixin, options: Collection[str]) -> None:
    """`InputError` for an option that the template does not use, since transformers would ignore it."""
    if not options:
        return
    from transformers.utils.chat_template_utils import _get_template_variables

    template = processor.chat_template
    template = template.get("default") if isinstance(template, dict) else template
    used = _get_template_variables(template)
    for name in options:
        if name not in used:
            raise InputError(
                f"model.chat_template_options: {where} does not use '{name}', so it would have no effect; the template "
                f"uses {', '.join(sorted(used))}: remove the option, or correct its name"
            )


def _shows_pictures(processor: ProcessorMixin) -> bool:
    try:
        return bool(picture_tokens(processor))
    except VzError:  # the processor finds no place for the picture
        return False


class AnswerText:
    """The text of a policy's answers, without special tokens except those that open or close a thought.

    Some chat templates open a thought at the end of the prompt. The text then begins with that tag, to be complete.
    """

    def __init__(self, processor: ProcessorMixin, tags: Sequence[Tags]) -> None:
        self._tokenizer = processor.tokenizer
        self._opened = opened_thought(processor, tags)
        special = {place for place, token in self._tokenizer.added_tokens_decoder.items() if token.special}
        marks = self._tokenizer([tag for pair in tags for tag in pair], add_special_tokens=False)["input_ids"]
        self._left_out = special - {token for ids in marks for token in ids} | {
            token for token in (self._tokenizer.unk_token_id,) if token in special
        }

    def of(self, ids: Sequence[int]) -> str:
        kept = [token for token in ids if token not in self._left_out]
        text: str = self._tokenizer.decode(kept, skip_special_tokens=False)
        return self._opened + text
