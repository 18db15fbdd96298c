"""The `train` section: the optimisation, which is the same in all rounds of a run."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stages.core.recipe.base import NumericField, RuntimeField, Section


class Train(Section):
    """Optimizer, schedule, loss and batch shape. The sampling temperature comes from section rollout."""

    trainer: Literal["trl", "stub"] = Field(
        "trl", description="trl: train the policy, with TRL's kernel for log-probs; stub: only count, to test a run."
    )
    learning_rate: float = Field(1e-5, gt=0, description="Peak learning rate of AdamW (paper and code: 1e-5).")
    clue_rate: float = Field(
        1.0,
        gt=0,
        description="Share of the scheduled learning rate used in rounds that train only clues. Clue rewards are "
        "noisier than vote rewards, and AdamW's steps do not shrink with the gradient (vz's tiny recipe: 0.25).",
    )
    warmup: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Share of the run's updates used for warm-up (paper and code: 0.1), rounded up to W updates. "
        "Update k has k / W of the peak rate, so that no update has a rate of 0.",
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        "cosine", description="Learning rate after the warm-up (paper: cosine)."
    )
    total_updates: int | None = Field(
        None,
        ge=1,
        description="Number of updates in the schedule; null: this run's planned rounds × updates per round. A "
        "falling schedule ends there. If you raise it later, vz recomputes the schedule from the update reached.",
    )
    kl: float = Field(0.04, ge=0, description="Weight τ of the KL to the run's base model (eq. 3 and 6; 0.04).")
    anchor_kl: float = Field(
        1.0,
        ge=0,
        description="Weight of the KL on anchor rows: rows of the phase that is not training, with "
        "filter.inactive_phase: anchor. The update minimises eq. 3 or 6 over the rows that train, plus this weight "
        "times the mean KL of the anchors. From vz's own trial: 1.",
    )
    anchor_to: Literal["base", "switch"] = Field(
        "base",
        description="Reference for the anchors' KL. base: the run's base model. switch: the policy at the last change "
        "of phase, which keeps what the other phase learned.",
    )
    outside_rows: int = Field(
        0,
        ge=0,
        description="Number of the start model's answers to prompts outside the game (section outside) that each "
        "update adds. They add only a KL term, which keeps the start model's skills. 0: none.",
    )
    outside_kl: float = Field(
        1.0,
        ge=0,
        description="Weight of the KL on outside rows: the update minimises eq. 3 or 6, plus this weight times their "
        "mean KL from the run's base model to the policy. 0: only measure their KL.",
    )
    loss: Literal["grpo", "dapo", "dr_grpo", "bnpo"] = Field(
        "grpo",
        description="How tokens are averaged. grpo: over each completion, then over completions (paper and code); "
        "dapo: over all tokens of the update; dr_grpo: as grpo, but over the longest length allowed; bnpo: over each "
        "batch that a device computes at once, so the loss depends on tokens_per_batch and processes.",
    )
    clip: float = Field(0.2, gt=0, description="PPO clip range ε; no effect if a round has only one update.")
    rows_per_update: int | None = Field(
        None,
        ge=1,
        description="Number of completions per optimizer step; null: all rows of the round (paper: one update per "
        "batch).",
    )
    ratio: Literal["auto", "on-policy", "sampled"] = Field(
        "auto",
        description="Denominator of the importance ratio: the policy itself (on-policy), or the stored log-probs "
        "(sampled). auto: on-policy if a round has only one update; log-probs from before the first update if a round "
        "has several, or if another policy played its rows.",
    )
    correction: Literal["auto", "off", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"] = Field(
        "auto",
        description="Importance weights: training's probability over the sampler's, for each token or for the whole "
        "answer. Weights above correction_cap are capped (truncate) or set to 0 (mask), as in TRL. auto: "
        "token_truncate for rows from another engine or precision than training's, off for others. With a correction, "
        "the ratio divides by training's own log-probs. ratio: sampled leaves nothing to correct.",
    )
    correction_cap: float = Field(3.0, gt=1, description="Largest importance weight (TRL's default).")
    tokens_per_batch: int = NumericField(
        16384,
        ge=1,
        description="Tokens that a device computes at once, including padding; gradient accumulation does the rest. "
        "Rows with the same beginning share it. A row with more tokens than this is computed alone. By calculation, a "
        "7B model with gradient checkpointing needs about 0.8 MB per token in addition to its weights: 13 GB for the "
        "default on an 80 GB card. Use 4096 on 24 GB, and 8192 on 48 GB.",
    )
    share_prefixes: bool = NumericField(
        True,
        description="Compute rows with the same beginning as one tree, with their shared prompt and picture only "
        "once. Before the first update, a trial with some of the rows shows whether the model computes the same from "
        "trees. If not, vz warns and computes rows one by one.",
    )
    max_grad_norm: float = Field(1.0, gt=0, description="Gradient clipping (transformers' default).")
    freeze: tuple[str, ...] = Field(
        (),
        description="Parts of the model that do not train, by module name, e.g. [vision_tower] or, in Qwen-VL, "
        "[visual]. No effect on LoRA, whose targets decide what trains.",
    )
    optimizer: Literal["adamw", "adamw_bf16", "adamw_8bit"] = Field(
        "adamw",
        description="How AdamW stores its two moments of each trained weight. adamw: fp32, 8 bytes per weight. "
        "adamw_bf16: bf16 with stochastic rounding, 4 bytes. adamw_8bit: bitsandbytes' 8-bit blocks, 2 bytes (arXiv "
        "2110.02861). Weights stay fp32.",
    )
    offload_optimizer: bool = NumericField(
        False,
        description="Keep the moments in RAM. During the optimizer step, they move to the GPU one part of a weight at "
        "a time.",
    )
    weight_decay: float = Field(
        0.0, ge=0, description="AdamW's decoupled weight decay for all weights except biases, norms and other vectors."
    )
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="AdamW β1.")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="AdamW β2.")
    adam_epsilon: float = Field(1e-8, gt=0, description="AdamW ε (torch's default).")
    gradient_checkpointing: bool = NumericField(True, description="Recompute activations to save memory (paper: on).")
    precision: Literal["auto", "bf16", "fp32"] = Field(
        "auto",
        description="Arithmetic: bf16 autocast over fp32 master weights on a GPU, fp32 on a CPU. Frozen weights (a "
        "LoRA's base, the KL reference) also have this precision.",
    )
    processes: int = NumericField(
        1,
        ge=1,
        description="Total number of processes on all machines, one per GPU; torchrun starts more than one.",
    )
    machines: int = RuntimeField(
        1,
        ge=1,
        description="Number of machines that train together, each with an equal share of the processes. vz runs on "
        "the first; `vz join <train.address>` runs on each of the others (docs/several-machines.md).",
    )
    address: str | None = RuntimeField(
        None,
        pattern=r"^.+:\d+$",
        description="With several machines: host name and a free port of the first one, as the others reach it, e.g. "
        "node0:29500.",
    )
    accelerate_config: str | None = NumericField(
        None,
        description="How weights are spread over the processes: `ddp` (each process has all of them, as with null), "
        "`fsdp2` (sharded), or your own accelerate config file.",
    )
    logprob_gap_limit: float = RuntimeField(
        0.1,
        gt=0,
        description="Training refuses rows whose stored log-probs differ from its own by more than this on average, in "
        "nats per token (docs/engines.md has measured values).",
    )
    effective_tokens_limit: float = RuntimeField(
        0.8,
        ge=0,
        le=1,
        description="Training refuses rows whose effective sample size, as a share of their tokens, is lower than "
        "this: (Σw)² / (n Σw²), where w is training's probability of a token over the sampler's (docs/engines.md).",
    )

    def identity(self, *, deterministic: bool, prefix: str = "") -> dict[str, Any]:
        """Without outside rows, their fields do not affect the result."""
        body = super().identity(deterministic=deterministic, prefix=prefix)
        return body if self.outside_rows else {key: body[key] for key in body if not key.startswith("outside_")}

    @field_validator("correction", mode="before")
    @classmethod
    def _as_written(cls, value: Any) -> Any:
        """YAML reads a bare `off` as false."""
        return "off" if value is False else value

    @model_validator(mode="after")
    def _machines_share_the_processes(self) -> Self:
        if self.machines > 1 and self.address is None:
            raise ValueError(
                f"machines is {self.machines}, so set address to the first machine's name and port, e.g. node0:29500"
            )
        if self.machines == 1 and self.address is not None:
            raise ValueError("address is for several machines: set machines as well, or leave address out")
        if self.processes % self.machines:
            raise ValueError(f"processes is {self.processes}, which {self.machines} machines cannot share equally")
        return self

    @model_validator(mode="after")
    def _corrects_once(self) -> Self:
        if self.ratio == "sampled" and self.correction not in {"auto", "off"}:
            raise ValueError(
                f"correction is {self.correction}, but ratio: sampled already divides by the stored log-probs; set one "
                "of them to auto"
            )
        return self
