"""The measures of an update, over its real tokens and rows, for any number of processes and micro-batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train.loss import k3
from stages.train.rows import Row

if TYPE_CHECKING:
    from accelerate import Accelerator

    from stages.core.recipe.train import Train
    from stages.train.encode import Batch

TAIL = 0.999  # the reported quantile of the gap
BINS, A_DECADE, SMALLEST = 500, 50, 1e-8  # of the gap's histogram: from 1e-8 to 100 nats, 4.7 % wide
HIGHEST = 50.0  # nats; larger log-ratios are cut before they become weights


class Tally:
    """Sums of one update on this process. `finish` adds up all processes and resets the sums."""

    def __init__(self, device: torch.device, train: Train) -> None:
        self._clip, self._cap = train.clip, train.correction_cap
        self._none = torch.zeros((), dtype=torch.float64, device=device)
        self._sums: dict[str, torch.Tensor] = {}
        self._gap_max = self._none

    def add(self, batch: Batch, logprobs: torch.Tensor, entropy: torch.Tensor, loss: torch.Tensor) -> None:
        """Add a micro-batch. `logprobs` and `entropy` are [B, T], in nats. `loss` is its share of the update's loss."""
        counts = batch.mask.bool()
        anchored, outside = counts & batch.is_anchor[:, None], counts & batch.is_outside[:, None]
        mask = counts & batch.learns[:, None]
        excess = ((logprobs - batch.sampled) * mask).double()  # of the trainer over the sampler
        gap, other = excess.abs()[mask], batch.anchor_reference
        sums = {
            "rows": mask.any(dim=1).sum(),
            "tokens": mask.sum(),
            "kl": 0 if batch.reference is None else k3(logprobs, batch.reference)[mask].sum(),
            "entropy": entropy[mask].sum(),
            "clipped": self._clipped(batch, logprobs)[mask].sum(),
            "gap": gap.sum(),
            "loss": loss,
            "gaps": _histogram(gap),
            "anchor_tokens": anchored.sum(),
            "anchor_kl": 0 if other is None else k3(logprobs, other)[anchored].sum(),
            "outside_tokens": outside.sum(),
            "outside_kl": 0 if batch.reference is None else k3(batch.reference, logprobs)[outside].sum(),
            **self._weights(excess, mask),
        }
        for name, value in sums.items():
            self._sums[name] = self._sums.get(name, self._none) + value
        self._gap_max = torch.cat([self._gap_max.reshape(1), gap]).max()

    def finish(self, accelerator: Accelerator) -> dict[str, float | None]:
        """The update's loss, and means over the tokens of all processes."""
        sums = accelerator.reduce(self._sums, reduction="sum")
        highest = accelerator.gather(self._gap_max.reshape(1)).max().item()
        self._sums, self._gap_max = {}, self._none
        gaps = sums.pop("gaps")
        found = {name: value.item() for name, value in sums.items()}
        rows, tokens = max(1.0, found["rows"]), max(1.0, found["tokens"])  # an update may hold only anchors
        return {
            "rows": int(found["rows"]),
            "tokens": int(tokens),
            "loss": found["loss"],
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
            **({"outside_kl": found["outside_kl"] / found["outside_tokens"]} if found["outside_tokens"] else {}),
        }

    def _weights(self, excess: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Sums of the uncapped weights of tokens and of whole answers, and of their squares."""
        tokens = excess.clamp(max=HIGHEST).exp()[mask]
        rows = excess.sum(dim=1).clamp(max=HIGHEST).exp()[mask.any(dim=1)]
        return {
            "capped": (tokens > self._cap).sum(),
            "weights": tokens.sum(),
            "squares": tokens.square().sum(),
            "row_weights": rows.sum(),
            "row_squares": rows.square().sum(),
        }

    def _clipped(self, batch: Batch, logprobs: torch.Tensor) -> torch.Tensor:
        """[B, T]: where clipping removes the gradient. Nowhere if the policy is compared with itself."""
        if batch.old is None:
            return torch.zeros_like(logprobs, dtype=torch.bool)
        ratio, advantages = (logprobs - batch.old).exp(), batch.advantages[:, None]
        low, high = (ratio < 1 - self._clip) & (advantages < 0), (ratio > 1 + self._clip) & (advantages > 0)
        return low | high


def check_gap(record: dict[str, Any], recipe: Recipe, rows: Sequence[Row], sampler: str, off_policy: int) -> None:
    """`InputError` if the first update's measures exceed the recipe's limits on the gap between sampler and trainer.

    `off_policy` rows were played by other weights. `sampler` names the sampler that computes as training does.
    """
    train, mean, share = recipe.train, record["logprob_gap_mean"], record["effective_tokens"]
    if mean > train.logprob_gap_limit:
        most = f"train.logprob_gap_limit is {train.logprob_gap_limit:g}"
        found = f"differ by {mean:.3g} nats per token on average ({most})"
    elif share < train.effective_tokens_limit:
        least = f"train.effective_tokens_limit is {train.effective_tokens_limit:g}"
        found = f"differ so much that only a share of {share:.3g} of the tokens counts after weighting ({least})"
    else:
        return
    cause = _cause(recipe, rows, sampler, off_policy)
    raise InputError(f"the log-probs of sampler and trainer {found}. {cause} Nothing was trained")


def _cause(recipe: Recipe, rows: Sequence[Row], sampler: str, off_policy: int) -> str:
    """What is known to differ, and what to do about it."""
    others = sorted({str(row.sampler) for row in rows} - {sampler})
    if off_policy:
        return (
            f"{off_policy} of {len(rows)} rows were played by weights other than those that train: give the policy "
            "that played them as --model, or raise the limit to train on them anyway."
        )
    if recipe.model.lora is not None and recipe.model.lora.dropout > 0:
        return "Dropout changes the adapter at each pass: set model.lora.dropout=0."
    if any(other.startswith("server") for other in others):
        return (
            "A server computed the rows: it must hold these weights and give log-probs of what it draws from (for "
            "vLLM: --logprobs-mode processed_logprobs). Then play again; or raise the limit."
        )
    if others:
        return (
            f"The rows were computed by {', '.join(others)}, and training computes as {sampler} does: play with "
            f"rollout.engine=transformers and model.dtype={sampler.rsplit(maxsplit=1)[-1]}, or raise the limit."
        )
    return (
        "The rows come from these weights and this arithmetic, so their sampling rules were not those in their "
        "manifest. Older versions did this if a model's generation_config.json had its own rules: play again."
    )


def _effective(weights: float, squares: float, number: float) -> float:
    """The effective sample size as a share: 1 if all weights are equal, 1 / number if one has all the weight."""
    return weights * weights / (number * squares) if squares else 1.0


def _histogram(gap: torch.Tensor) -> torch.Tensor:
    places = (gap.nan_to_num(posinf=1e9).clamp(min=SMALLEST) / SMALLEST).log10() * A_DECADE
    return places.long().clamp(max=BINS - 1).bincount(minlength=BINS)


def _quantile(gaps: torch.Tensor) -> float:
    """The upper edge of the histogram bin that contains the quantile `TAIL`."""
    place = int((gaps.cumsum(0) < TAIL * gaps.sum()).sum())
    return float(SMALLEST * 10.0 ** ((place + 1) / A_DECADE))
