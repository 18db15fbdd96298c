"""The tiny model's body: a LLaVA of about 0.9 million random weights, and the processor that feeds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.init_model.plan import Body, Eyes
from stages.init_model.tokenizer import CHAT_TEMPLATE, END, IMAGE, MAX_POSITIONS, PAD

if TYPE_CHECKING:
    from transformers import (
        GenerationConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
        SiglipVisionConfig,
    )


def build_processor(
    shape: Eyes, tokenizer: PreTrainedTokenizerFast, chat_template: str = CHAT_TEMPLATE, picture: str = IMAGE
) -> LlavaProcessor:
    """The processor. It leaves square pictures of `shape.picture` pixels unscaled, and resizes (never crops) others.

    It names the PIL image processor explicitly, so that neither this nor reloading needs torchvision.
    """
    from transformers import LlavaProcessor
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return LlavaProcessor(
        image_processor=SiglipImageProcessorPil(size={"height": shape.picture, "width": shape.picture}),
        tokenizer=tokenizer,
        image_token=picture,
        patch_size=shape.patch,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        chat_template=chat_template,
    )


def build_model(shape: Body, tokenizer: PreTrainedTokenizerFast, seed: int) -> LlavaForConditionalGeneration:
    """A LLaVA (SigLIP vision, Llama text, tied embeddings) in float32 with random weights from `seed`."""
    import torch
    from transformers import LlavaForConditionalGeneration, set_seed

    set_seed(seed)
    model = LlavaForConditionalGeneration(_config(shape, tokenizer))
    # The libraries' usual spread of .02 suits widths of thousands; at this width the model learns many times slower.
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2 and ("language_model" in name or "projector" in name):
                weight.normal_(0.0, shape.init_std)
    model.generation_config = _generation_config(tokenizer)
    return model.eval()


def vision_config(shape: Eyes) -> SiglipVisionConfig:
    """The vision tower's config. The projector gets the last layer after the closing norm, as in vLLM."""
    from transformers import SiglipVisionConfig

    return SiglipVisionConfig(
        hidden_size=shape.vision_width,
        intermediate_size=2 * shape.vision_width,
        num_hidden_layers=shape.vision_layers,
        num_attention_heads=shape.vision_width // shape.head_width,
        image_size=shape.picture,
        patch_size=shape.patch,
        vision_use_head=False,
        # By default, transformers passes the projector the last layer BEFORE its closing norm, but vLLM the one after
        # it. Tied, both pass the latter.
        tie_last_hidden_states=True,
    )


def _config(shape: Body, tokenizer: PreTrainedTokenizerFast) -> LlavaConfig:
    from transformers import LlamaConfig, LlavaConfig

    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.text_width,
        intermediate_size=2 * shape.text_width,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_width // shape.head_width,
        num_key_value_heads=shape.text_width // shape.head_width,
        max_position_embeddings=MAX_POSITIONS,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        bos_token_id=None,
    )
    return LlavaConfig(
        vision_config=vision_config(shape),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        image_seq_length=shape.visual_tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
    )


def _generation_config(tokenizer: PreTrainedTokenizerFast) -> GenerationConfig:
    """Stops at `<end>`. Never samples `<image>`, since no picture would belong to it."""
    from transformers import GenerationConfig

    return GenerationConfig(
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        suppress_tokens=[tokenizer.convert_tokens_to_ids(IMAGE)],
        do_sample=True,
        max_new_tokens=16,
    )
