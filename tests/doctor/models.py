"""Models of 30 to 150 million random weights in the shapes of real families, for measuring memory and time."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.families.chatml import qwen2_5_vl
from tests.families.saving import save
from tests.families.words import build_tokenizer, chat


def qwen(folder: Path, width: int, layers: int) -> Path:
    """Qwen2.5-VL: pictures become grids of patches, keys are fewer than queries, positions have three axes."""
    vision = {"hidden_size": width // 2, "intermediate_size": 2 * width, "depth": 4, "num_heads": width // 128}
    vision |= {"window_size": 112, "fullatt_block_indexes": [1, 3], "out_hidden_size": width}
    text = {"hidden_size": width, "intermediate_size": 4 * width, "num_hidden_layers": layers, "vocab_size": 32000}
    text |= {"num_attention_heads": width // 64, "num_key_value_heads": max(1, width // 256)}
    text |= {"max_position_embeddings": 8192, "tie_word_embeddings": True}
    text |= {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 12, 12]}}
    return qwen2_5_vl(folder, vision=vision, text=text)


def llava(folder: Path, width: int, layers: int) -> Path:
    """LLaVA: a CLIP tower that sees every picture at one size, a Llama, a head of its own."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    template = chat("", "<image>\n", " ", "ASSISTANT:", names=("USER: ", "ASSISTANT: "))
    tokenizer = build_tokenizer(template, eos="</s>", bos="<s>", pad="<pad>", named={"image_token": "<image>"})
    side = {"height": 224, "width": 224}
    processor = LlavaProcessor(
        image_processor=CLIPImageProcessorPil(size=side, crop_size=side),
        tokenizer=tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    )
    vision = {"hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 4, "num_attention_heads": 4}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision, image_size=224, patch_size=16),
        text_config=LlamaConfig(
            hidden_size=width,
            intermediate_size=11 * width // 4,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            num_key_value_heads=width // 64,
            vocab_size=16000 if width < 768 else 4000,  # so that the head is the peak of one, a layer that of the other
            max_position_embeddings=8192,
            eos_token_id=tokenizer.eos_token_id,
            tie_word_embeddings=False,
        ),
        tie_word_embeddings=False,
        image_token_index=tokenizer.image_token_id,
        image_seq_length=196,
    )
    torch.manual_seed(0)
    return save(folder, LlavaForConditionalGeneration(config), processor, [tokenizer.eos_token_id])
