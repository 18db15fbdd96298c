"""The settings that TRL's trainer gets from a recipe."""

from __future__ import annotations

import torch
from trl import GRPOConfig

from stages.core.recipe import Recipe


def configuration(
    recipe: Recipe, *, folder: str, temperature: float, max_tokens: int, steps: int, updates: int, bf16: bool
) -> GRPOConfig:
    """TRL's settings. What this trainer decides by itself is set to where TRL stays out of the way."""
    train = recipe.train
    return GRPOConfig(
        output_dir=folder,
        # data: batches come from get_train_dataloader; TRL wants 2 or more generations of one prompt to be declared
        per_device_train_batch_size=2,
        num_generations=2,
        gradient_accumulation_steps=steps,
        steps_per_generation=steps,
        max_steps=updates,
        remove_unused_columns=False,
        max_completion_length=max_tokens,
        # loss
        beta=0.0,
        temperature=temperature,
        loss_type=train.loss,
        epsilon=train.clip,
        use_bias_correction_kl=False,
        router_aux_loss_coef=0.0,
        # optimisation
        learning_rate=train.learning_rate,
        optim="adamw_torch",
        adam_beta1=train.adam_beta1,
        adam_beta2=train.adam_beta2,
        adam_epsilon=train.adam_epsilon,
        weight_decay=train.weight_decay,
        max_grad_norm=train.max_grad_norm,
        gradient_checkpointing=train.gradient_checkpointing,
        bf16=bf16,
        fp16=False,
        use_cpu=recipe.model.device == "cpu" or not torch.cuda.is_available(),
        seed=recipe.seed % 2**32,
        # manners: nothing on stdout, no files, no services
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        logging_nan_inf_filter=False,
        push_to_hub=False,
    )
