"""What an update came to, over its real tokens and rows, whatever the number of processes and micro-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

_SUMS = ["rows", "tokens", "kl", "entropy", "clipped", "gap", "loss", "anchor_tokens", "anchor_kl"]


class Tally:
    """Sums of one update on this process; `finish` adds the processes up and starts again."""

    def __init__(self, device: torch.device, clip: float) -> None:
        self._clip = clip
        self._sums = torch.zeros(len(_SUMS), dtype=torch.float64, device=device)
        self._gap_max = torch.zeros((), dtype=torch.float64, device=device)

    def add(self, inputs: dict[str, Any], logprobs: torch.Tensor, entropy: torch.Tensor, loss: torch.Tensor) -> None:
        """One micro-batch: `logprobs` and `entropy` are [B, T], nats; `loss` is its share of the update's."""
        mask, anchored = (inputs["completion_mask"] * inputs["tool_mask"]).bool(), inputs["anchor_mask"].bool()
        gap = (logprobs - inputs["sampling_per_token_logps"]).abs()[mask]
        sums = {
            "rows": mask.any(dim=1).sum(),
            "tokens": mask.sum(),
            "kl": k3(logprobs, inputs["ref_per_token_logps"])[mask].sum() if "ref_per_token_logps" in inputs else 0,
            "entropy": entropy[mask].sum(),
            "clipped": self._clipped(inputs, logprobs)[mask].sum(),
            "gap": gap.sum(),
            "loss": loss,
            "anchor_tokens": anchored.sum(),
            "anchor_kl": k3(logprobs, inputs["anchor_per_token_logps"])[anchored].sum() if anchored.any() else 0,
        }
        self._sums += torch.stack([torch.as_tensor(sums[name]).to(self._sums) for name in _SUMS])
        if gap.numel():
            self._gap_max = torch.maximum(self._gap_max, gap.max().to(self._gap_max))

    def finish(self, accelerator: Accelerator) -> dict[str, float | None]:
        """Means over the tokens of all processes; loss is the mean of the processes' shares, as gradients are."""
        sums = accelerator.reduce(self._sums, reduction="sum").tolist()
        highest = accelerator.gather(self._gap_max.reshape(1)).max().item()
        self._sums.zero_()
        self._gap_max.zero_()
        found = dict(zip(_SUMS, sums, strict=True))
        tokens = max(1.0, found["tokens"])  # an update may hold anchors alone
        return {
            "rows": int(found["rows"]),
            "tokens": int(tokens),
            "loss": found["loss"] / accelerator.num_processes,
            "kl": found["kl"] / tokens,
            "entropy": found["entropy"] / tokens,
            "clip_ratio": found["clipped"] / tokens,
            "logprob_gap_mean": found["gap"] / tokens,
            "logprob_gap_max": highest,
            "anchor_kl": found["anchor_kl"] / found["anchor_tokens"] if found["anchor_tokens"] else None,
        }

    def _clipped(self, inputs: dict[str, Any], logprobs: torch.Tensor) -> torch.Tensor:
        """Where clipping takes the gradient away: [B, T]. Nowhere when the ratio is to the policy itself."""
        old = inputs.get("old_per_token_logps")
        ratio = (logprobs - (logprobs if old is None else old)).exp()
        advantages = inputs["advantages"][:, None]
        clipped: torch.Tensor = ((ratio < 1 - self._clip) & (advantages < 0)) | (
            (ratio > 1 + self._clip) & (advantages > 0)
        )
        return clipped


def k3(logprobs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The estimator of KL(π‖π_ref) per token: exp(q − p) − (q − p) − 1 with p, q the log-probs of π and π_ref."""
    difference = reference - logprobs
    return difference.exp() - difference - 1
