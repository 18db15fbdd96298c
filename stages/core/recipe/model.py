"""The `model` section: the policy that plays and learns, and how to load it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from stages.core.recipe.base import ContentField, NumericField, Section
from stages.core.recipe.options import kernel_here, without_secrets_or_code


class Lora(Section):
    """A low-rank adapter (PEFT); only its weights train."""

    rank: int = Field(64, ge=1, description="Rank of the update (64 is a common choice for 7B policies).")
    alpha: int = Field(128, ge=1, description="Scale of the update is alpha / rank.")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout on the adapter's input; with 0, sampler and trainer compute the same."
    )
    target_modules: list[str] | str = Field(
        "all-linear", description="Modules that get an adapter: names, or PEFT's 'all-linear' (language model only)."
    )
    target_parameters: list[str] = Field(
        [],
        description="Weights that are not modules and also get an adapter, by the end of their names. Fused experts "
        "in a mixture of experts need this, e.g. [mlp.experts.gate_up_proj, mlp.experts.down_proj]. PEFT requires "
        "dropout 0.",
    )

    @model_validator(mode="after")
    def _check_dropout(self) -> Lora:
        if self.target_parameters and self.dropout > 0:
            raise ValueError("dropout must be 0 with target_parameters: PEFT applies no dropout to single weights")
        return self


# Arguments of `apply_chat_template` that vz sets.
SET_BY_VZ = {
    "messages", "conversation", "chat_template", "tools", "documents", "add_generation_prompt",
    "continue_final_message", "return_assistant_tokens_mask", "tokenize", "return_tensors", "return_dict",
    "load_audio_from_video", "processor_kwargs", "bos_token", "eos_token",
}  # fmt: skip


class Model(Section):
    """The policy: any Hugging Face image-text-to-text model."""

    path: str = ContentField(
        "Qwen/Qwen2.5-VL-7B-Instruct",
        description="Folder or hub name of the model. Default: the paper's model.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit on the hub; null: the default branch.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "bfloat16", description="Precision of sampling and of exported checkpoints (paper: bf16)."
    )
    device: Literal["auto", "cpu", "cuda"] = NumericField(
        "auto", description="Device; auto: a GPU if there is one, else the CPU."
    )
    min_pixels: int | None = Field(
        None, ge=1, description="Smallest picture area in pixels, for processors that resize."
    )
    max_pixels: int | None = Field(
        None, ge=1, description="Largest picture area in pixels, for processors that resize."
    )
    chat_template: str | None = ContentField(
        None,
        description="File with a Jinja chat template that replaces the model's own.",
    )
    chat_template_options: dict[str, Any] = Field(
        default_factory=dict,
        description="Variables for the chat template, by name, e.g. {enable_thinking: false} for models that think by "
        "default. Default: the template's own values.",
    )
    thinking_tags: tuple[str, str] | None = Field(
        None,
        description="The tags that open and close a model's private thought. null: <think> and </think>, and the tags "
        "of other published thinking models (docs/engines.md).",
    )
    processor: dict[str, Any] = Field(default_factory=dict, description="Further options of the processor, by name.")
    attention: str | dict[str, str] | None = NumericField(
        None,
        description="transformers' attn_implementation, for the whole model or by part, e.g. {vision_config: "
        "flash_attention_2} if flash-attn is installed; null: transformers chooses. vz adds grouped: eager without "
        "copies of keys and values, the fastest on a CPU.",
    )
    quantization: Literal["none", "4bit"] = Field(
        "none",
        description="4bit: keep the language model's matrices in 4 bits, as QLoRA does (bitsandbytes' NF4 with double "
        "quantization, arXiv 2305.14314), wherever transformers loads them: for playing, as the base that an adapter "
        "trains on, and as the KL reference. Training needs model.lora. Vision tower, embeddings and head stay in "
        "dtype.",
    )
    lora: Lora | None = Field(None, description="Train a LoRA adapter; null: train all weights (paper).")

    @field_validator("chat_template_options")
    @classmethod
    def _leave_the_prompt_alone(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in sorted(options.keys() & SET_BY_VZ):
            raise ValueError(f"'{name}' cannot be set here: vz sets it")
        return options

    @field_validator("processor")
    @classmethod
    def _run_no_code(cls, options: dict[str, Any]) -> dict[str, Any]:
        return without_secrets_or_code(options)

    @field_validator("attention")
    @classmethod
    def _is_a_kernel_here(cls, attention: str | dict[str, str] | None) -> str | dict[str, str] | None:
        return kernel_here(attention)

    @field_validator("thinking_tags")
    @classmethod
    def _can_be_told_apart(cls, tags: tuple[str, str] | None) -> tuple[str, str] | None:
        if tags is not None and (not all(tag.strip() for tag in tags) or tags[0] == tags[1]):
            raise ValueError("the two tags must differ, and neither may be blank")
        return tags
