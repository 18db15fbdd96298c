"""Gives a pretrained language model eyes: a LLaVA of a small SigLIP tower, a connector and the unchanged model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stages.core.errors import InputError
from stages.init_model.build import build_processor, vision_config
from stages.init_model.plan import Eyes

if TYPE_CHECKING:
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, PreTrainedTokenizerFast

    from stages.init_model.language_model import LanguageModel

START, END = "<|im_start|>", "<|im_end|>"
PICTURE_TOKENS = ("<|image_pad|>", "<image>")  # picture tokens that some language models have

# ChatML, without the system message that some models add by themselves: it costs tokens and says nothing about the
# game. Content is text or a list of parts, each on its own line.
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{{ 'PICTURE' if part.type == 'image' else part.text }}{{ '' if loop.last else '\\n' }}"
    "{% endfor %}{% endif %}"
    "{{ '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def graft(language: LanguageModel, eyes: Eyes, seed: int) -> tuple[LlavaForConditionalGeneration, LlavaProcessor]:
    """A LLaVA with the given language model, in bfloat16, and a random tower and connector, in float32.

    The connector's last layer starts at the scale of the language model's own word embeddings.
    """
    import torch
    from transformers import GenerationConfig, LlavaForConditionalGeneration, set_seed

    picture = picture_token(language.tokenizer)
    config = _config(language, eyes, language.tokenizer.convert_tokens_to_ids(picture))
    set_seed(seed)
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(language.model.get_decoder().state_dict())
    model.lm_head.load_state_dict(language.model.get_output_embeddings().state_dict())
    with torch.no_grad():
        projector = model.model.multi_modal_projector
        for layer, size in ((projector.linear_1, 1.0), (projector.linear_2, word_scale(model))):
            for weight in layer.parameters():
                weight.uniform_(-1, 1).mul_(size / layer.in_features**0.5)
    model.model.language_model.bfloat16()
    model.lm_head.bfloat16()
    model.tie_weights()
    model.generation_config = GenerationConfig(
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        suppress_tokens=[config.image_token_index],
        do_sample=True,
        max_new_tokens=128,
    )
    return model.eval(), _processor(eyes, language.tokenizer, picture)


def picture_token(tokenizer: PreTrainedTokenizerFast) -> str:
    """A special token to stand for a picture: the vocabulary's own, or the last one that chats do not use.

    The vocabulary stays unchanged, so that the language model's files still fit.
    """
    special = {token.content: place for place, token in tokenizer.added_tokens_decoder.items() if token.special}
    if START not in special or END not in special:
        raise InputError(
            f"the language model's tokenizer has no {START} and {END}; use an instruct model with the ChatML template, "
            "such as SmolLM2 or Qwen2.5"
        )
    own = [token for token in PICTURE_TOKENS if token in special]
    used = {
        START,
        END,
        "<|endoftext|>",
        tokenizer.bos_token,
        tokenizer.eos_token,
        tokenizer.pad_token,
        tokenizer.unk_token,
    }
    spare = sorted((token for token in special if token not in used), key=lambda token: special[token])
    if not own and not spare:
        raise InputError(
            "the language model's tokenizer has no spare special token to stand for a picture; use another model"
        )
    return (own or spare[-1:])[0]


def word_scale(model: LlavaForConditionalGeneration) -> float:
    """The spread of the language model's word embeddings, which visual tokens should match."""
    return float(model.get_input_embeddings().weight.float().std())


def _processor(eyes: Eyes, tokenizer: PreTrainedTokenizerFast, picture: str) -> LlavaProcessor:
    tokenizer.padding_side = "left"
    tokenizer.chat_template = None  # the processor's is the only one
    tokenizer.eos_token = END
    return build_processor(eyes, tokenizer, CHAT_TEMPLATE.replace("PICTURE", picture), picture)


def _config(language: LanguageModel, eyes: Eyes, picture: int) -> LlavaConfig:
    from transformers import LlavaConfig

    text, tokenizer = language
    if hasattr(text.config, "quantization_config"):  # from the GGUF file; these weights are no longer quantized
        del text.config.quantization_config
    end = tokenizer.convert_tokens_to_ids(END)
    text.config.eos_token_id = end
    text.config.pad_token_id = end if tokenizer.pad_token_id is None else tokenizer.pad_token_id
    return LlavaConfig(
        vision_config=vision_config(eyes),
        text_config=text.config,
        image_token_index=picture,
        image_seq_length=eyes.visual_tokens,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=text.config.tie_word_embeddings,
        pad_token_id=text.config.pad_token_id,
        eos_token_id=end,
    )
