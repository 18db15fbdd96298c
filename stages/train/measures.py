"""What an update came to, over its real tokens and rows, whatever the number of processes and micro-batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from accelerate import Accelerator

    from stages.core.recipe.train import Train

_SUMS = ["rows", "tokens", "kl", "entropy", "clipped", "gap", "loss", "anchor_tokens", "anchor_kl", "capped"]
_SUMS += ["weights", "squares", "row_weights", "row_squares"]
TAIL = 0.999  # the quantile of the gap that is reported
BINS, A_DECADE, SMALLEST = 500, 50, 1e-8  # of the gap's histogram: from 1e-8 to 100 nats, 4.7 % wide
HIGHEST = 50.0  # nats; log-ratios are cut there before they become weights


class Tally:
    """Sums of one update on this process; `finish` adds the processes up and starts again."""

    def __init__(self, device: torch.device, train: Train) -> None:
        self._clip, self._cap = train.clip, train.correction_cap
        self._sums = torch.zeros(len(_SUMS), dtype=torch.float64, device=device)
        self._gaps = torch.zeros(BINS, dtype=torch.float64, device=device)
        self._gap_max = torch.zeros((), dtype=torch.float64, device=device)

    def add(self, inputs: dict[str, Any], logprobs: torch.Tensor, entropy: torch.Tensor, loss: torch.Tensor) -> None:
        """One micro-batch: `logprobs` and `entropy` are [B, T], nats; `loss` is its share of the update's."""
        mask, anchored = (inputs["completion_mask"] * inputs["tool_mask"]).bool(), inputs["anchor_mask"].bool()
        excess = ((logprobs - inputs["sampling_per_token_logps"]) * mask).double()  # of the trainer over the sampler
        gap = excess.abs()[mask]
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
            **self._weighed(excess, mask),
        }
        self._sums += torch.stack([torch.as_tensor(sums[name]).to(self._sums) for name in _SUMS])
        if gap.numel():
            self._gap_max = torch.maximum(self._gap_max, gap.max())
            places = (gap.nan_to_num(posinf=1e9).clamp(min=SMALLEST) / SMALLEST).log10() * A_DECADE
            self._gaps += places.long().clamp(max=BINS - 1).bincount(minlength=BINS)

    def finish(self, accelerator: Accelerator) -> dict[str, float | None]:
        """Means over the tokens of all processes; loss is the mean of the processes' shares, as gradients are."""
        sums = accelerator.reduce(self._sums, reduction="sum").tolist()
        gaps = accelerator.reduce(self._gaps, reduction="sum")
        highest = accelerator.gather(self._gap_max.reshape(1)).max().item()
        for total in (self._sums, self._gaps, self._gap_max):
            total.zero_()
        found = dict(zip(_SUMS, sums, strict=True))
        rows, tokens = max(1.0, found["rows"]), max(1.0, found["tokens"])  # an update may hold anchors alone
        return {
            "rows": int(found["rows"]),
            "tokens": int(tokens),
            "loss": found["loss"] / accelerator.num_processes,
            "kl": found["kl"] / tokens,
            "entropy": found["entropy"] / tokens,
            "clip_ratio": found["clipped"] / tokens,
            "logprob_gap_mean": found["gap"] / tokens,
            "logprob_gap_tail": min(_quantile(gaps), highest),
            "logprob_gap_max": highest,
            "capped_tokens": found["capped"] / tokens,
            "effective_tokens": _effective(found["weights"], found["squares"], tokens),
            "effective_rows": _effective(found["row_weights"], found["row_squares"], rows),
            "anchor_kl": found["anchor_kl"] / found["anchor_tokens"] if found["anchor_tokens"] else None,
        }

    def _weighed(self, excess: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Sums of the weights that tokens and whole answers would have without a cap, and of their squares."""
        tokens = excess.clamp(max=HIGHEST).exp()[mask]
        rows = excess.sum(dim=1).clamp(max=HIGHEST).exp()[mask.any(dim=1)]
        return {
            "capped": (tokens > self._cap).sum(),
            "weights": tokens.sum(),
            "squares": tokens.square().sum(),
            "row_weights": rows.sum(),
            "row_squares": rows.square().sum(),
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


def _effective(weights: float, squares: float, number: float) -> float:
    """Effective sample size as a share: 1 where all weights are equal, 1 / number where one has them all."""
    return weights * weights / (number * squares) if squares else 1.0


def _quantile(gaps: torch.Tensor) -> float:
    """The upper edge of the histogram's bin that holds the quantile `TAIL`."""
    place = int((gaps.cumsum(0) < TAIL * gaps.sum()).sum())
    return float(SMALLEST * 10.0 ** ((place + 1) / A_DECADE))
