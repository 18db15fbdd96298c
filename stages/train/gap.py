"""Whether rows may train although sampler and trainer differ, and what made them differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train.rows import Row


def check_gap(record: dict[str, Any], recipe: Recipe, rows: Sequence[Row], sampler: str, off_policy: int) -> None:
    """`InputError` where the first update's measures exceed the recipe's limits; `off_policy` rows are of other
    weights, and `sampler` is how rows name what computes as training does."""
    train, mean, share = recipe.train, record["logprob_gap_mean"], record["effective_tokens"]
    if mean > train.logprob_gap_limit:
        found = f"differ by {mean:.3g} nats a token on average (train.logprob_gap_limit is {train.logprob_gap_limit:g})"
    elif share < train.effective_tokens_limit:
        least = f"train.effective_tokens_limit is {train.effective_tokens_limit:g}"
        found = f"differ so much that only a share of {share:.3g} of the tokens counts once weighted ({least})"
    else:
        return
    cause = _cause(recipe, rows, sampler, off_policy)
    raise InputError(f"the log-probs of sampler and trainer {found}. {cause} Nothing was trained")


def _cause(recipe: Recipe, rows: Sequence[Row], sampler: str, off_policy: int) -> str:
    """What is known to differ, and what to do about it."""
    others = sorted({str(row.sampler) for row in rows} - {sampler})
    if off_policy:
        return (
            f"{off_policy} of {len(rows)} rows were played by other weights than those that train: name what played "
            "them as --model, or raise the limit to train on them all the same."
        )
    if recipe.model.lora is not None and recipe.model.lora.dropout > 0:
        return "Dropout makes the adapter another at each pass: set model.lora.dropout=0."
    if any(other.startswith("server") for other in others):
        return (
            "A server computed the rows: let it hold these weights and give log-probs of what it draws from (for vLLM: "
            "--logprobs-mode processed_logprobs), and play again; or raise the limit."
        )
    if others:
        return (
            f"The rows were computed by {', '.join(others)}, and training computes as {sampler} does: play with "
            f"rollout.engine=transformers and model.dtype={sampler.rsplit(maxsplit=1)[-1]}, or raise the limit."
        )
    return (
        "The rows are of these weights and this arithmetic, so they were sampled by other rules than their manifest "
        "says, as older versions did where a model's generation_config.json had rules of its own: play again."
    )
