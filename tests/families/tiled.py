"""Families that cut a picture into rows and columns of tiles: Idefics3 and SmolVLM."""

from __future__ import annotations

from pathlib import Path

from tests.families.saving import TEXT, WIDTH, llama, save
from tests.families.words import build_tokenizer, chat

_TILES = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]


def build_idefics3(folder: Path) -> Path:
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration, Idefics3Processor
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    template = chat(
        "", "<image>", "<end_of_utterance>\n", "Assistant:", start="<|begin_of_text|>", names=("User:", "Assistant:")
    )
    marks = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", *_TILES]
    tokenizer = build_tokenizer(
        template, eos="<|end_of_text|>", bos="<|begin_of_text|>", pad="<pad>", more=marks
    )  # fmt: skip
    pictures = Idefics3ImageProcessorPil(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
    config = Idefics3Config(
        vision_config={**WIDTH, "image_size": 32, "patch_size": 8},
        text_config={**TEXT, **llama(tokenizer)},
        scale_factor=2,
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    processor = Idefics3Processor(pictures, tokenizer, image_seq_len=4, chat_template=template)
    return save(folder, Idefics3ForConditionalGeneration(config), processor, [tokenizer.eos_token_id])


def build_smolvlm(folder: Path) -> Path:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMProcessor
    from transformers.models.smolvlm.image_processing_smolvlm import SmolVLMImageProcessor
    from transformers.models.smolvlm.video_processing_smolvlm import SmolVLMVideoProcessor

    template = chat(
        "", "<image>", "<end_of_utterance>\n", "Assistant:", start="<|im_start|>", names=("User:", "Assistant:")
    )
    named = {"image_token": "<image>", "fake_image_token": "<fake_token_around_image>"}
    named |= {"global_image_token": "<global-img>", "end_of_utterance_token": "<end_of_utterance>"}
    tokenizer = build_tokenizer(
        template, eos="<end_of_utterance>", bos="<|im_start|>", pad="<pad>", named=named, more=_TILES
    )
    sizes = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}
    processor = SmolVLMProcessor(
        SmolVLMImageProcessor(**sizes),
        tokenizer,
        SmolVLMVideoProcessor(**sizes),
        image_seq_len=4,
        chat_template=template,
    )
    config = SmolVLMConfig(
        vision_config={**WIDTH, "image_size": 32, "patch_size": 8},
        text_config={**TEXT, **llama(tokenizer)},
        scale_factor=2,
        image_token_id=tokenizer.image_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return save(folder, SmolVLMForConditionalGeneration(config), processor, [tokenizer.eos_token_id])
