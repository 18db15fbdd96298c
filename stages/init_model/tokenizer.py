"""The tiny model's own words: a word-level tokenizer of a few dozen entries, and its chat template.

Such a small vocabulary lets a model of a million weights learn the game in minutes: every word of the compact prompt
set is one token, and `\\boxed{` and `}` are one token each, so an answer is three or four tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, IMAGE, USER, ASSISTANT, END = "<pad>", "<unk>", "<image>", "<user>", "<assistant>", "<end>"
SPECIAL = (PAD, UNKNOWN, IMAGE, USER, ASSISTANT, END)
"""Tokens that no text of a game can produce. `<end>` closes every turn and is the stop token."""

BOX, BOX_END, NOT_APPLICABLE = "\\boxed{", "}", "N/A"
COLOURS = ("gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow")
SHAPES = ("cube", "sphere", "cylinder")
NUMBERS = tuple(str(number) for number in range(10))
TASKS = ("clue", "vote", "list", "check", "say", "who", "yes", "no", "true")
QUESTIONS = ("ask", "exist", "count", "color", "shape", "more", "than")
SETTING = (
    "game",
    "players",
    "rounds",
    "round",
    "seat",
    "civilian",
    "spy",
    "same",
    "changed",
    "blank",
    "new",
    "readable",
)
SIGNS = (".", ":", ",", "?", "-", "(", ")")

WORDS = (BOX, BOX_END, NOT_APPLICABLE, *NUMBERS, *COLOURS, *SHAPES, *TASKS, *QUESTIONS, *SETTING, *SIGNS)
"""Every ordinary token, in id order after `SPECIAL`."""

# A message is `<user> … <end>`; its content is text or a list of {type: text | image} parts. The processor replaces a
# picture's one `<image>` with one for each of its visual tokens.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<assistant>' if message.role == 'assistant' else '<user>' }} "
    "{% if message.content is string %}{{ message.content }} "
    "{% else %}{% for part in message.content %}"
    "{{ '<image>' if part.type == 'image' else part.text }} "
    "{% endfor %}{% endif %}<end>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """The word-level tokenizer: `SPECIAL` then `WORDS`; anything else is `<unk>`.

    It splits text at spaces and around every character that is not a letter or digit, except inside `\\boxed{` and
    `N/A`. Decoding joins tokens with single spaces: `\\boxed{ red cube }`.
    """
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Sequence, Split, WhitespaceSplit
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *WORDS))}
    tokenizer = Tokenizer(WordLevel(vocab=vocabulary, unk_token=UNKNOWN))
    pieces = Split(Regex(r"\\boxed\{|N/A|\w+|[^\w\s]"), behavior="isolated")
    tokenizer.pre_tokenizer = Sequence([WhitespaceSplit(), pieces])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        extra_special_tokens={"image_token": IMAGE, "user_token": USER, "assistant_token": ASSISTANT},
        chat_template=CHAT_TEMPLATE,
        model_max_length=MAX_POSITIONS,
    )


MAX_POSITIONS = 512
"""The longest sequence in tokens; a game of 6 players and 3 rounds needs about 120."""
