"""Loads a policy and turns messages and pictures into its inputs, for the sampler and the trainer alike.

Both use this code, so `prompt_sha256` compares versions and options, not two implementations.
"""

from stages.core.vlm.adapters import (
    ADAPTER_CONFIG,
    adapter_config,
    base_of_adapter,
    is_adapter,
    load_adapter_weights,
)
from stages.core.vlm.loading import (
    device_of,
    free_accelerator,
    load_model,
    load_processor,
    load_skeleton,
    processor_place,
    revision_of,
    set_threads,
)
from stages.core.vlm.prompts import (
    Prompt,
    batch,
    encode,
    encode_one,
    plain_messages,
    prompt_hash,
    prompt_ids,
)
from stages.core.vlm.template import AnswerText
from stages.core.vlm.tokens import generation_config, placeholder_tokens, stop_tokens

__all__ = [
    "ADAPTER_CONFIG",
    "AnswerText",
    "Prompt",
    "adapter_config",
    "base_of_adapter",
    "batch",
    "device_of",
    "encode",
    "encode_one",
    "free_accelerator",
    "generation_config",
    "is_adapter",
    "load_adapter_weights",
    "load_model",
    "load_processor",
    "load_skeleton",
    "placeholder_tokens",
    "plain_messages",
    "processor_place",
    "prompt_hash",
    "prompt_ids",
    "revision_of",
    "set_threads",
    "stop_tokens",
]
