"""One way to load a policy and to turn messages and pictures into its inputs, shared by sampler and trainer.

That both go through `encode` is what makes `prompt_sha256` a check of the versions and options, not of two code paths.
"""

from stages.core.vlm.adapters import (
    ADAPTER_CONFIG,
    adapter_config,
    base_of_adapter,
    is_adapter,
    load_adapter_weights,
)
from stages.core.vlm.answers import AnswerText
from stages.core.vlm.loading import (
    load_model,
    load_processor,
    load_skeleton,
    processor_place,
    refuse_own_code,
    revision_of,
)
from stages.core.vlm.machine import device_of, free_accelerator, set_threads
from stages.core.vlm.packages import remedy
from stages.core.vlm.prompts import (
    Prompt,
    batch,
    encode,
    encode_one,
    plain_messages,
    prompt_hash,
    prompt_ids,
    prompt_text,
    unpadded,
)
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
    "prompt_text",
    "refuse_own_code",
    "remedy",
    "revision_of",
    "set_threads",
    "stop_tokens",
    "unpadded",
]
