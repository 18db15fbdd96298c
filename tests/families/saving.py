"""What the families' tiny models share: their widths, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

# Head widths are 32, the least that vLLM's kernels take, so that the same models serve for tests of that engine.
WIDTH = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
TEXT = {**WIDTH, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 1024}


def save(folder: Path, model: Any, processor: Any, eos: list[int], spread: float = 0.1) -> Path:
    """Write both; weights are drawn anew, since the libraries' usual spread leaves so small a model without opinions."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() >= 2:
                weight.normal_(0.0, spread)
    model.generation_config.eos_token_id = eos
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def llama(tokenizer: Any) -> dict[str, Any]:
    ids = {name: getattr(tokenizer, name) for name in ("pad_token_id", "eos_token_id", "bos_token_id")}
    return {"model_type": "llama", "vocab_size": len(tokenizer), **ids}
