"""From an answer's token ids to its text, with the tags that mark private thought."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stages.core.game.thinking import Tags
from stages.core.vlm.template import opened_thought

if TYPE_CHECKING:
    from transformers import ProcessorMixin


class AnswerText:
    """The text of a policy's answers.

    It begins with the opening tag of a thought where the chat template wrote that at the end of the prompt, so that
    readers need no more than the text. Special tokens are left out, but not those that open or close a thought.
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
