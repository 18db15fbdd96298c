"""Loads a policy and turns messages and pictures into its inputs, for both sampler and trainer.

Since both use this code, `prompt_sha256` compares versions and options, not two implementations.
"""

from stages.core.vlm.adapters import base_of_adapter, is_adapter
from stages.core.vlm.loading import device_of, load_model, load_processor, revision_of, set_threads
from stages.core.vlm.prompts import batch, encode, encode_one, prompt_hash
from stages.core.vlm.template import AnswerText
from stages.core.vlm.tokens import placeholder_tokens, stop_tokens

__all__ = [
    "AnswerText",
    "base_of_adapter",
    "batch",
    "device_of",
    "encode",
    "encode_one",
    "is_adapter",
    "load_model",
    "load_processor",
    "placeholder_tokens",
    "prompt_hash",
    "revision_of",
    "set_threads",
    "stop_tokens",
]
