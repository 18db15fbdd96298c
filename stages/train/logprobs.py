"""Log-probs of completions under the distribution that the sampler drew from.

Sampler and trainer apply the same rules in the same order. The repetition penalty divides positive logits, and
multiplies negative ones, of tokens that occur in the prompt or earlier in the answer. No token ends an answer before
its minimum length. No answer holds a token that stands for a picture. Last, the logits are divided by the temperature.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import is_peft_model
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint
from trl.kernels import ChunkedLogProbFunction

from stages.core import vlm
from stages.core.errors import InputError, VzError
from stages.train.features import Key, Shown, Sight, sight_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel, ProcessorMixin

    from stages.train.encode import Batch

NEVER = -1e4  # added to the logits of tokens that are never drawn; TRL's kernel does not accept −∞
KERNEL_VOCABULARY = 32768  # words of the vocabulary that TRL's kernel computes at once (its own choice)
LOGITS_AT_ONCE = 1 << 25  # 128 MiB in fp32: about 220 tokens with a vocabulary of 152,000
# Factors of logits in the configurations of Cohere, Falcon-H1, Granite, Inkling and a few others.
SCALES = ("logit_scale", "output_multiplier", "lm_head_multiplier", "logits_scaling", "logits_mup_width_multiplier")


@dataclass(frozen=True)
class Completions:
    """B completions of up to T tokens, their prompts of up to P tokens, and the rules they were sampled by."""

    ids: torch.Tensor  # [B, T]
    mask: torch.Tensor  # [B, T]
    places: torch.Tensor  # [B, T], of the token before each, in the flattened sequences that the model computes
    prompt_ids: torch.Tensor  # [B, P], right padded with −1
    min_tokens: torch.Tensor  # [B], the minimum length of an answer
    penalty: torch.Tensor  # [B], repetition penalty; 1 for none

    def to(self, device: torch.device) -> Completions:
        return Completions(**{each.name: getattr(self, each.name).to(device) for each in fields(self)})

    @property
    def has_rules(self) -> bool:
        """Whether a row's distribution depends on more than the model and the temperature."""
        return bool((self.min_tokens > 0).any() or (self.penalty != 1).any())

    def first_seen(self, vocabulary: int) -> torch.Tensor:
        """[B, V]: where in the completion each token first occurs; −1 for the prompt, T if it never occurs.

        Some heads have no logits for the tokens of pictures, whose ids come after all others.
        """
        rows, length = self.ids.shape
        places = torch.arange(length, device=self.ids.device).expand(rows, length)
        first = places.new_full((rows, vocabulary), length)
        first.scatter_reduce_(1, self.ids, places.masked_fill(self.mask == 0, length), "amin")
        left_out = (self.prompt_ids < 0) | (self.prompt_ids >= vocabulary)
        ids = self.prompt_ids.clamp(0, vocabulary - 1)
        return first.scatter_reduce_(1, ids, left_out * (length + 1) - 1, "amin")


@dataclass(frozen=True)
class Tokens:
    """Special tokens that sampler and trainer treat alike."""

    never: frozenset[int]  # stand for pictures, and occur in no answer
    stop: frozenset[int]  # end an answer

    @classmethod
    def of(cls, model: PreTrainedModel, processor: ProcessorMixin) -> Tokens:
        return cls(frozenset(vlm.placeholder_tokens(model, processor)), frozenset(vlm.stop_tokens(model, processor)))


def completion_logprobs(model: Any, batch: Batch, most: Callable[[int], int] | None = None) -> torch.Tensor:
    """[2, B, T]: log-probs of the completions' tokens, and entropies of what they were drawn from, in nats.

    `model` must have the head from `add_head`. Only log-probs have a gradient. `most` returns the highest number of all
    processes, for processes that must call the model equally often.
    """
    _look(model, batch.shown, most or (lambda number: number))
    found: torch.Tensor = model(**batch.inputs, completions=batch.completions, shown=batch.shown)
    return found


def _look(model: Any, shown: Shown | None, most: Callable[[int], int]) -> None:
    """Compute the features of pictures that the model has not kept, one prompt at a time."""
    model = model.module if isinstance(model, DistributedDataParallel) else model
    inner = model.get_base_model() if is_peft_model(model) else model
    missing = [] if shown is None else inner.vz_sight.missing(shown)
    for number in range(most(len(missing))):
        if shown is None:
            raise VzError("processes that share a model's weights must all have rows with pictures, or none of them")
        model(look=shown, key=missing[number] if number < len(missing) else shown.order[0])


def add_head(policy: PreTrainedModel, temperature: float, tokens: Tokens) -> None:
    """Let `policy` take `completions` and return their log-probs, without the logits of all tokens in memory.

    It does so inside the model's own forward pass, where sharded weights are gathered. It also looks at pictures there.
    """
    model: Any = policy.get_base_model() if is_peft_model(policy) else policy
    model.__dict__.pop("forward", None)  # the head of an earlier call; kept features stay
    model.vz_sight = sight = getattr(model, "vz_sight", None) or sight_of(model)
    head, plain = _Head(model, temperature, tokens, sight), model.forward

    @functools.wraps(type(model).forward)  # TRL and transformers look at the signature
    def forward(
        *args: Any,
        completions: Completions | None = None,
        shown: Shown | None = None,
        look: Shown | None = None,
        key: Key = (),
        **inputs: Any,
    ) -> Any:
        if look is not None:
            assert sight is not None
            return sight.look(key, look, model.device)
        return plain(*args, **inputs) if completions is None else head(completions, shown, inputs)

    model.forward = forward


class _Head:
    """The last layer of a model, applied only to the completions' tokens, a few at a time."""

    def __init__(self, model: PreTrainedModel, temperature: float, tokens: Tokens, sight: Sight | None) -> None:
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
        self._model, self._sight = model, sight
        self._temperature = temperature
        self._cap: float | None = getattr(config, "final_logit_softcapping", None)
        self._never, self._stop = sorted(tokens.never), sorted(tokens.stop)

    def __call__(self, completions: Completions, shown: Shown | None, inputs: dict[str, Any]) -> torch.Tensor:
        mask = completions.mask.bool()
        hidden = self._hidden(shown, {name: value for name, value in inputs.items() if value is not None})
        weight, bias = self._weights()
        before = hidden.flatten(0, 1)[completions.places[mask]]  # [N, H]: the states before each of the N tokens
        score = self._by_rules if completions.has_rules else self._by_kernel
        # `masked_scatter` keeps the weights in the graph even if all rows are filler.
        found = score(before, weight, bias, completions)
        return torch.stack([value.new_zeros(mask.shape).masked_scatter(mask, value) for value in found])

    def _hidden(self, shown: Shown | None, given: dict[str, Any]) -> torch.Tensor:  # PEFT adds options that are None
        """[B, L, H]: the hidden states of the sequences, with the pictures' features in their places."""
        if shown is None:
            found = self._model.base_model(**given, use_cache=False)
        else:
            assert self._sight is not None
            given |= self._sight.inputs(shown, given["input_ids"].device)
            with self._sight.showing(shown):
                found = self._model.base_model(**given, use_cache=False)
        hidden: torch.Tensor = found.last_hidden_state
        return hidden

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
        """The backward pass recomputes the logits, so that only those of one part are in memory at a time."""
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
