"""One way to load a policy and to turn messages and pictures into its inputs, shared by sampler and trainer.

That both go through `encode` is what makes `prompt_sha256` a check of the versions and options, not of two code paths.
"""

from stages.core.vlm.loading import ADAPTER_CONFIG, base_of_adapter, load_model, load_processor, revision_of
from stages.core.vlm.machine import device_of, free_accelerator, set_threads
from stages.core.vlm.prompts import (
    Prompt,
    batch,
    encode,
    encode_one,
    plain_messages,
    prompt_hash,
    prompt_text,
    special_tokens,
    unpadded,
)
from stages.core.vlm.tokens import placeholder_tokens, stop_tokens

__all__ = [
    "ADAPTER_CONFIG",
    "Prompt",
    "base_of_adapter",
    "batch",
    "device_of",
    "encode",
    "encode_one",
    "free_accelerator",
    "load_model",
    "load_processor",
    "placeholder_tokens",
    "plain_messages",
    "prompt_hash",
    "prompt_text",
    "revision_of",
    "set_threads",
    "special_tokens",
    "stop_tokens",
    "unpadded",
]
