"""A language model of two layers with a vocabulary of bytes, in place of a real one."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as Decoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<spare>")


def write_language_model(folder: Path, special: tuple[str, ...] = SPECIAL) -> Path:
    """A Llama of random weights, which follows the ChatML template."""
    words = [*special, *sorted(ByteLevel.alphabet())]
    body = Tokenizer(BPE(vocab={word: place for place, word in enumerate(words)}, merges=[]))
    body.pre_tokenizer, body.decoder = ByteLevel(add_prefix_space=False), Decoder()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=body, eos_token="<|im_end|>", pad_token="<|im_end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    tokenizer.save_pretrained(folder)
    set_seed(1)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=words.index("<|im_end|>") if "<|im_end|>" in words else 0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
