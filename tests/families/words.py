"""Tokenizers with a family's special tokens, under the names that processors look for: of a few words, or of bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import Regex, Tokenizer, decoders
from tokenizers.models import BPE, WordLevel
from tokenizers.pre_tokenizers import ByteLevel, Split
from tokenizers.pre_tokenizers import Sequence as Steps
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from stages.init_model.tokenizer import WORDS

BYTE_PAIRS = 8192  # largest vocabulary of a tokenizer of bytes
ROLES = ("user", "assistant", "model", "User", "Assistant", "USER", "ASSISTANT", "\n", "\n\n", "\n\n\n", "\n\n\n\n")


def build_tokenizer(
    template: str,
    *,
    eos: str,
    pad: str,
    bos: str | None = None,
    named: Mapping[str, str] | None = None,
    more: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> PreTrainedTokenizerFast:
    """`named` special tokens are attributes of the tokenizer, e.g. {"image_token": "<image>"}; `more` have no name.

    With `texts` it is byte-level BPE trained on them, so that prompts have about as many tokens as with a real model.
    """
    special = [*dict.fromkeys([pad, eos, "<unk>", *([bos] if bos else []), *(named or {}).values(), *more])]
    tokenizer = _of_bytes(special, texts) if texts else _of_words(special)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=eos,
        pad_token=pad,
        unk_token="<unk>",
        bos_token=bos,
        clean_up_tokenization_spaces=False,
        chat_template=template,
        extra_special_tokens={**(named or {}), **{f"mark_{place}": token for place, token in enumerate(more)}},
    )


def _of_words(special: Sequence[str]) -> Tokenizer:
    """Blanks are dropped; a run of line breaks is one token, as in the families' own tokenizers."""
    vocabulary = {word: place for place, word in enumerate([*special, *ROLES, *WORDS])}
    tokenizer = Tokenizer(WordLevel(vocab=vocabulary, unk_token="<unk>"))
    pieces = Regex(r"\\boxed\{|N/A|\w+|\n+|[^\w\s]")
    tokenizer.pre_tokenizer = Steps([Split(Regex(" +"), behavior="removed"), Split(pieces, behavior="isolated")])
    return tokenizer


def _of_bytes(special: Sequence[str], texts: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer, tokenizer.decoder = ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=BYTE_PAIRS, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def chat(
    before: str, picture: str, after: str, answer: str, *, start: str = "", names: Sequence[str] = ("user",)
) -> str:
    """A chat template: `before` + role, the parts with `picture` for a picture, `after`; `answer` opens the answer."""
    user, assistant = names[0], names[-1]
    return (
        f"{start}{{% for message in messages %}}{before}"
        f"{{{{ '{assistant}' if message.role == 'assistant' else '{user}' }}}}"
        "{% for part in message.content %}"
        f"{{% if part.type == 'image' %}}{picture}{{% else %}}{{{{ part.text }}}}{{% endif %}} "
        f"{{% endfor %}}{after}{{% endfor %}}{{% if add_generation_prompt %}}{answer}{{% endif %}}"
    )
