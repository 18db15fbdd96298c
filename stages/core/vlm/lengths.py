"""How many tokens prompts take, from a processor alone: each size of picture is prepared once, empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image

from stages.core.errors import InputError, first_line
from stages.core.game.prompting import Message
from stages.core.vlm.prompts import encode_one, prompt_ids

if TYPE_CHECKING:
    from transformers import ProcessorMixin

Size = tuple[int, int]  # width and height in pixels


class PromptLengths:
    """Counts of one processor. What a picture adds to a prompt depends on its size, not on what it shows."""

    def __init__(self, processor: ProcessorMixin) -> None:
        self._processor = processor
        self._texts: dict[str, int] = {}
        self._pictures: dict[Size, int | InputError] = {}

    def text(self, messages: list[Message]) -> int:
        """Tokens of a prompt whose picture is the bare mark that the chat template writes."""
        key = str(messages)
        if key not in self._texts:
            self._texts[key] = len(prompt_ids(self._processor, messages))
        return self._texts[key]

    def picture(self, messages: list[Message], size: Size) -> int:
        """Tokens that a picture of this size adds to a prompt. `InputError` where the processor cannot take it."""
        if size not in self._pictures:
            self._pictures[size] = self._prepared(messages, size)
        found = self._pictures[size]
        if isinstance(found, InputError):
            raise found
        return found

    def _prepared(self, messages: list[Message], size: Size) -> int | InputError:
        try:
            prompt = encode_one(self._processor, messages, [Image.new("RGB", size)])
        except MemoryError:
            raise
        except Exception as error:  # each processor has its own ways to fail on a shape that it was not made for
            name, why = type(self._processor).__name__, first_line(error.__cause__ or error)
            return InputError(f"{name} cannot take {size[0]}×{size[1]} pixels: {why}")
        return len(prompt.ids) - self.text(messages)
