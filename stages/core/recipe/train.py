"""The `train` section: the optimisation of which every round is one piece."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from stages.core.recipe.base import NumericField, RuntimeField, Section


class Train(Section):
    """Optimizer, schedule, loss and batch shape. The sampling temperature is read from the rollouts."""

    trainer: Literal["trl", "stub"] = Field("trl", description="TRL's GRPOTrainer, or a stub for tests of the loop.")
    learning_rate: float = Field(1e-5, gt=0, description="Peak learning rate of AdamW (paper and code: 1e-5).")
    clue_rate: float = Field(
        1.0,
        gt=0,
        description="Learning rate of rounds that train clues alone, as a share of the schedule's. Clue rewards are "
        "noisier than votes', and AdamW's steps do not get smaller with the gradient (vz's tiny recipe: 0.25).",
    )
    warmup: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of the run's updates that warm up (paper and code: 0.1), rounded up; update k of W has "
        "k / W of the peak rate, so that no update is lost to a rate of 0.",
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="After the warm-up (paper: cosine)."
    )
    total_updates: int | None = Field(
        None,
        ge=1,
        description="Updates the schedule spans; null: this run's planned rounds × updates a round. Raised later, the "
        "schedule is computed anew from the update reached. A falling schedule refuses updates beyond it.",
    )
    kl: float = Field(0.04, ge=0, description="Weight τ of the KL to the run's base model (eq. 3 and 6; 0.04).")
    anchor_kl: float = Field(
        1.0,
        ge=0,
        description="Weight of the KL on anchor rows, which hold the phase that does not train now (filter."
        "inactive_phase: anchor): the update minimises eq. 3 or 6 over the rows that train, plus this times the mean "
        "KL an anchor's token. vz's own trial: 1.",
    )
    anchor_to: Literal["base", "switch"] = Field(
        "base",
        description="What anchors hold to: the run's base model, or the policy at the last change of phase, so that "
        "what the other phase learned is kept.",
    )
    loss: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = Field(
        "grpo",
        description="How tokens are averaged: grpo is the mean per completion (paper and code); dapo over all tokens "
        "of the update; dr_grpo divides by the longest answer allowed; bnpo over the tokens of each micro-batch.",
    )
    clip: float = Field(0.2, gt=0, description="PPO clip range ε; without effect when one update uses fresh rows.")
    rows_per_update: int | None = Field(
        None,
        ge=1,
        description="Completions an optimizer step; null: all of the round in one (paper: one update a batch).",
    )
    ratio: Literal["auto", "on-policy", "sampled"] = Field(
        "auto",
        description="Importance ratio against: the policy itself, or the stored log-probs. auto: on-policy for the "
        "only update of a round, stored log-probs when a round makes several or its rows are another policy's.",
    )
    correction: Literal["auto", "off", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] = Field(
        "auto",
        description="Importance weights between sampler and trainer (training's probability over the sampler's): of "
        "each token or of its whole answer, and above correction_cap capped or left out (TRL's modes). auto: "
        "token_truncate for rows of another engine or precision than training's own, none for others. The ratio then "
        "divides by training's own log-probs. With ratio: sampled there is nothing left to correct.",
    )
    correction_cap: float = Field(3.0, gt=1, description="Largest such weight (TRL's default).")
    micro_batch: int = NumericField(
        1,
        ge=1,
        description="Rows a device holds at once; the rest is gradient accumulation.",
    )
    max_grad_norm: float = Field(1.0, gt=0, description="Gradient clipping (transformers' default).")
    freeze: tuple[str, ...] = Field(
        (),
        description="Parts of the model that do not train, by the names of their modules, e.g. [vision_tower] or, in "
        "Qwen-VL, [visual]. What a model sees stays as it was. Without effect on LoRA, whose targets say what trains.",
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay.")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="AdamW β1.")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="AdamW β2.")
    adam_epsilon: float = Field(1e-8, gt=0, description="AdamW ε (torch's default).")
    gradient_checkpointing: bool = NumericField(True, description="Recompute activations to save memory (paper: on).")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="Arithmetic: bf16 autocast over fp32 master weights on a GPU, fp32 on a CPU. Frozen weights (a "
        "LoRA's base, the KL reference) are held in it.",
    )
    processes: int = NumericField(
        1,
        ge=1,
        description="Processes (one a GPU); more than 1 is launched through accelerate.",
    )
    accelerate_config: str | None = NumericField(
        None,
        description="How weights are spread over the processes: `ddp` (each process holds all of them; so does null), "
        "`fsdp2` (sharded), or an accelerate config file of your own.",
    )
    logprob_gap_limit: float = RuntimeField(
        0.1,
        gt=0,
        description="Training refuses rows whose stored log-probs differ from its own by more than this on average, in "
        "nats a token (docs/engines.md has measured values).",
    )
    effective_tokens_limit: float = RuntimeField(
        0.8,
        ge=0,
        le=1,
        description="Training refuses rows whose effective sample size, as a share of their tokens, is lower: "
        "(Σw)² / (n Σw²) with w the probability that training gives a token over the sampler's (docs/engines.md).",
    )

    @model_validator(mode="after")
    def _corrects_once(self) -> Self:
        if self.ratio == "sampled" and self.correction not in {"auto", "off"}:
            raise ValueError(
                f"correction is {self.correction}, but ratio: sampled divides by the stored log-probs already; leave "
                "one of them at auto"
            )
        return self
