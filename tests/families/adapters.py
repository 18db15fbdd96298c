"""PEFT adapters of random weights, as anybody could have trained them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def adapter_of(base: Path, folder: Path, **settings: Any) -> Path:
    """An adapter in `folder` whose weights all have an effect. `settings` are those of PEFT's `LoraConfig`."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(0)
    config = LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "down_proj"], **settings})
    policy: Any = get_peft_model(AutoModelForImageTextToText.from_pretrained(base, dtype=torch.float32), config)
    with torch.no_grad():
        for weight in policy.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.2)
    policy.save_pretrained(folder)
    return folder
