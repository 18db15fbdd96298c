"""Log-probs of completions under the distribution that the sampler drew from.

Sampler and trainer apply the same rules in the same order. The repetition penalty divides positive logits, and
multiplies negative ones, of tokens that occur in the prompt or earlier in the answer. No token ends an answer before
its minimum length. No answer holds a token that stands for a picture. Last, the logits are divided by the temperature.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import is_peft_model
from torch.utils.checkpoint import checkpoint
from trl.kernels import ChunkedLogProbFunction

from stages.core import vlm
from stages.core.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

NEVER = -1e4  # added to the logits of tokens that are never drawn; TRL's kernel cannot take −∞
KERNEL_VOCABULARY = 32768  # words of the vocabulary that TRL's kernel computes at once (its own choice)
LOGITS_AT_ONCE = 1 << 25  # 128 MiB in fp32: some 220 tokens at a vocabulary of 152,000
# Factors on logits in the configurations of Cohere, Falcon-H1, Granite, Inkling and a few others.
SCALES = ("logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling", "logits_mup_width_multiplier")


@dataclass(frozen=True)
class Completions:
    """B completions of up to T tokens, their prompts of up to P tokens, and the rules they were sampled by."""

    prompt_ids: torch.Tensor  # [B, P]
    prompt_mask: torch.Tensor  # [B, P]
    ids: torch.Tensor  # [B, T]
    mask: torch.Tensor  # [B, T]
    min_tokens: torch.Tensor  # [B], the minimum length of an answer
    penalty: torch.Tensor  # [B], repetition penalty; 1 for none

    @property
    def has_rules(self) -> bool:
        """Whether a row's distribution depends on more than the model and the temperature."""
        return bool((self.min_tokens > 0).any() or (self.penalty != 1).any())

    def first_seen(self, vocabulary: int) -> torch.Tensor:
        """[B, V]: where in the completion each token first occurs; −1 if in the prompt, T if it never occurs.

        Some heads have no logits for the tokens of pictures, whose ids come after all others.
        """
        rows, length = self.ids.shape
        places = torch.arange(length, device=self.ids.device).expand(rows, length)
        first = places.new_full((rows, vocabulary), length)
        first.scatter_reduce_(1, self.ids, places.masked_fill(self.mask == 0, length), "amin")
        left_out = (self.prompt_mask == 0) | (self.prompt_ids >= vocabulary)
        ids = self.prompt_ids.clamp(max=vocabulary - 1)
        return first.scatter_reduce_(1, ids, left_out * (length + 1) - 1, "amin")


@dataclass(frozen=True)
class Tokens:
    """Special tokens that sampler and trainer treat alike."""

    never: frozenset[int]  # stand for pictures, and occur in no answer
    stop: frozenset[int]  # end an answer

    @classmethod
    def of(cls, model: PreTrainedModel, processor: ProcessorMixin) -> Tokens:
        return cls(frozenset(vlm.placeholder_tokens(model, processor)), frozenset(vlm.stop_tokens(model, processor)))


def completion_logprobs(model: Any, completions: Completions, pictures: dict[str, torch.Tensor]) -> torch.Tensor:
    """[2, B, T]: log-probs of the completions' tokens, and entropies of what they were drawn from, in nats.

    `model` must have the head of `add_head`. It gets `pictures` as the processor made them, under any names, so tiles,
    grids, sizes and token types need no bookkeeping. Only log-probs have a gradient.
    """
    found: torch.Tensor = model(
        input_ids=torch.cat([completions.prompt_ids, completions.ids], dim=1),
        attention_mask=torch.cat([completions.prompt_mask, completions.mask], dim=1),
        **pictures,
        completions=completions,
    )
    return found


def add_head(policy: PreTrainedModel, temperature: float, tokens: Tokens) -> None:
    """Let `policy` take `completions` and return their log-probs, without the logits of all tokens in memory.

    This happens inside the model's own forward pass, where sharded weights are gathered.
    """
    model: Any = policy.get_base_model() if is_peft_model(policy) else policy
    head, plain = _Head(model, temperature, tokens), model.forward

    @functools.wraps(type(model).forward)  # TRL and transformers look at the signature
    def forward(*args: Any, completions: Completions | None = None, **inputs: Any) -> Any:
        return plain(*args, **inputs) if completions is None else head(completions, inputs)

    model.forward = forward


class _Head:
    """The last layer of a model, applied only to the completions' tokens, a part of them at a time."""

    def __init__(self, model: PreTrainedModel, temperature: float, tokens: Tokens) -> None:
        config = model.config.get_text_config()
        for name in SCALES:
            if getattr(config, name, None) not in (None, 1):
                raise InputError(
                    f"{type(model).__name__}: models that scale their logits ({name}) can play, but not train"
                )
        if model.base_model is model:
            raise InputError(
                f"{type(model).__name__}: models without a part that ends before their head can play, but not train"
            )
        self._model = model
        self._temperature = temperature
        self._cap: float | None = getattr(config, "final_logit_softcapping", None)
        self._never, self._stop = sorted(tokens.never), sorted(tokens.stop)

    def __call__(self, completions: Completions, inputs: dict[str, Any]) -> torch.Tensor:
        given = {name: value for name, value in inputs.items() if value is not None}  # PEFT adds its own options
        hidden = self._model.base_model(**given, use_cache=False).last_hidden_state
        weight, bias = self._weights()
        mask = completions.mask.bool()
        before = hidden[:, -completions.ids.shape[1] - 1 : -1][mask]  # [N, H]: the states before each of the N tokens
        score = self._by_rules if completions.has_rules else self._by_kernel
        # `masked_scatter` keeps the weights in the graph even if all rows are filler.
        found = score(before, weight, bias, completions)
        return torch.stack([value.new_zeros(mask.shape).masked_scatter(mask, value) for value in found])

    def _weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight [V, H] and bias [V]; the bias excludes the tokens that are never drawn."""
        layer: Any = self._model.get_output_embeddings()
        weight, bias = layer.weight, layer.bias
        excluded = _excluding(self._never, weight[:, 0])
        return weight, excluded if bias is None else bias + excluded

    def _by_kernel(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, completions: Completions
    ) -> tuple[torch.Tensor, torch.Tensor]:
        targets = completions.ids[completions.mask.bool()]
        logprobs, entropy, *_ = ChunkedLogProbFunction.apply(
            hidden, weight, bias, targets, self._temperature, KERNEL_VOCABULARY, self._cap, 1.0, ("entropy",)
        )
        return logprobs, entropy.detach()

    def _by_rules(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, completions: Completions
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The backward pass computes the logits again, so only those of one part are in memory at a time."""
        rows, places = completions.mask.nonzero(as_tuple=True)
        targets, first = completions.ids[rows, places], completions.first_seen(weight.shape[0])
        size = max(1, LOGITS_AT_ONCE // weight.shape[0])
        parts = [
            checkpoint(
                self._part, *part, weight, bias, completions, first, use_reentrant=False, preserve_rng_state=False
            )
            for part in zip(*(torch.split(value, size) for value in (hidden, targets, rows, places)), strict=True)
        ]
        logprobs, entropies = zip(*parts, strict=True)
        return torch.cat(logprobs), torch.cat(entropies)

    def _part(
        self,
        hidden: torch.Tensor,  # [n, H]
        targets: torch.Tensor,  # [n]
        rows: torch.Tensor,  # [n], the completion of each token
        places: torch.Tensor,  # [n], its place in it
        weight: torch.Tensor,
        bias: torch.Tensor,
        completions: Completions,
        first: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.nn.functional.linear(hidden, weight, bias).float()
        if self._cap is not None:
            logits = self._cap * (logits / self._cap).tanh()
        penalty = completions.penalty[rows, None]
        seen = first[rows] < places[:, None]
        logits = torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
        early = (places < completions.min_tokens[rows])[:, None]
        logits = logits + early * _excluding(self._stop, logits[0])
        logprobs = (logits / self._temperature).log_softmax(-1)
        entropy = -(logprobs.detach().exp() * logprobs.detach()).sum(-1)
        return logprobs.gather(-1, targets[:, None])[:, 0], entropy


def _excluding(tokens: list[int], like: torch.Tensor) -> torch.Tensor:
    """[V]: what to add to logits so that `tokens` are never drawn. Some heads have no logits for the last tokens."""
    added = torch.zeros_like(like)
    added[[token for token in tokens if token < len(added)]] = NEVER
    return added
