"""Log-probs of completions under the distribution that the sampler drew from.

Sampler and trainer apply the same rules in the same order: the repetition penalty divides the positive logits of tokens
that stand in the prompt or earlier in the answer and multiplies the negative ones; no token ends an answer before its
least length; no answer holds a token that stands for a picture; the temperature divides what is left.
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
class Spoken:
    """B completions of up to T tokens, their prompts of up to P, and the rules that they were drawn by."""

    prompt_ids: torch.Tensor  # [B, P]
    prompt_mask: torch.Tensor  # [B, P]
    ids: torch.Tensor  # [B, T]
    mask: torch.Tensor  # [B, T]
    min_tokens: torch.Tensor  # [B]; no answer ends before it has as many
    penalty: torch.Tensor  # [B], repetition penalty; 1 for none

    @property
    def has_rules(self) -> bool:
        """Whether some row's distribution depends on more than the model and the temperature."""
        return bool((self.min_tokens > 0).any() or (self.penalty != 1).any())

    def first_seen(self, vocabulary: int) -> torch.Tensor:
        """[B, V]: where in the completion each token first stands; −1 if in the prompt, T if nowhere.

        Some heads have no logit for the tokens that stand for pictures, whose ids come after all others.
        """
        rows, length = self.ids.shape
        places = torch.arange(length, device=self.ids.device).expand(rows, length)
        first = places.new_full((rows, vocabulary), length)
        first.scatter_reduce_(1, self.ids, places.masked_fill(self.mask == 0, length), "amin")
        unsaid = (self.prompt_mask == 0) | (self.prompt_ids >= vocabulary)
        ids = self.prompt_ids.clamp(max=vocabulary - 1)
        return first.scatter_reduce_(1, ids, unsaid * (length + 1) - 1, "amin")


@dataclass(frozen=True)
class Tokens:
    """Tokens with a meaning of their own, for the sampler and the trainer alike."""

    never: frozenset[int]  # stand for pictures; no answer holds one
    stop: frozenset[int]  # end an answer

    @classmethod
    def of(cls, model: PreTrainedModel, processor: ProcessorMixin) -> Tokens:
        return cls(frozenset(vlm.placeholder_tokens(model, processor)), frozenset(vlm.stop_tokens(model, processor)))


def completion_logprobs(model: Any, spoken: Spoken, pictures: dict[str, torch.Tensor]) -> torch.Tensor:
    """[2, B, T]: log-probs of the completions' tokens, and the entropies of what they were drawn from, in nats.

    `model` was given a head by `add_head`. `pictures` go to it as the processor made them, under whatever names:
    tiles, grids, sizes and token types need no bookkeeping. Only log-probs have a gradient.
    """
    made: torch.Tensor = model(
        input_ids=torch.cat([spoken.prompt_ids, spoken.ids], dim=1),
        attention_mask=torch.cat([spoken.prompt_mask, spoken.mask], dim=1),
        **pictures,
        spoken=spoken,
    )
    return made


def add_head(policy: PreTrainedModel, temperature: float, tokens: Tokens) -> None:
    """Let `policy` be called with `spoken`, for log-probs without all tokens' logits in memory.

    All of it happens inside the model's own forward pass, where weights that are sharded over processes are whole.
    """
    model: Any = policy.get_base_model() if is_peft_model(policy) else policy
    head, plain = _Head(model, temperature, tokens), model.forward

    @functools.wraps(type(model).forward)  # TRL and transformers look at the signature
    def forward(*args: Any, spoken: Spoken | None = None, **inputs: Any) -> Any:
        return plain(*args, **inputs) if spoken is None else head(spoken, inputs)

    model.forward = forward


class _Head:
    """The last layer of a model, applied to the completions' tokens alone and a part of them at a time."""

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

    def __call__(self, spoken: Spoken, inputs: dict[str, Any]) -> torch.Tensor:
        given = {name: value for name, value in inputs.items() if value is not None}  # PEFT adds options of its own
        hidden = self._model.base_model(**given, use_cache=False).last_hidden_state
        weight, bias = self._weights()
        said = spoken.mask.bool()
        before = hidden[:, -spoken.ids.shape[1] - 1 : -1][said]  # [N, H]: what each of the N tokens was drawn from
        score = self._by_rules if spoken.has_rules else self._by_kernel
        # `masked_scatter` keeps the weights in the graph even where all rows are filler.
        return torch.stack(
            [value.new_zeros(said.shape).masked_scatter(said, value) for value in score(before, weight, bias, spoken)]
        )

    def _weights(self) -> tuple[torch.Tensor, torch.Tensor]:
        """[V, H] and [V]; the bias keeps the tokens away that are never drawn."""
        layer: Any = self._model.get_output_embeddings()
        weight, bias = layer.weight, layer.bias
        barred = torch.zeros(weight.shape[0], device=weight.device, dtype=weight.dtype)
        barred[[token for token in self._never if token < len(barred)]] = NEVER
        return weight, barred if bias is None else bias + barred

    def _by_kernel(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, spoken: Spoken
    ) -> tuple[torch.Tensor, torch.Tensor]:
        targets = spoken.ids[spoken.mask.bool()]
        logprobs, entropy, *_ = ChunkedLogProbFunction.apply(
            hidden, weight, bias, targets, self._temperature, KERNEL_VOCABULARY, self._cap, 1.0, ("entropy",)
        )
        return logprobs, entropy.detach()

    def _by_rules(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, spoken: Spoken
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits are computed again for the gradient, so that those of one part at a time are in memory."""
        rows, places = spoken.mask.nonzero(as_tuple=True)
        targets, first = spoken.ids[rows, places], spoken.first_seen(weight.shape[0])
        size = max(1, LOGITS_AT_ONCE // weight.shape[0])
        parts = [
            checkpoint(self._part, *part, weight, bias, spoken, first, use_reentrant=False, preserve_rng_state=False)
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
        spoken: Spoken,
        first: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logits = torch.nn.functional.linear(hidden, weight, bias).float()
        if self._cap is not None:
            logits = self._cap * (logits / self._cap).tanh()
        penalty = spoken.penalty[rows, None]
        seen = first[rows] < places[:, None]
        logits = torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits)
        early = (places < spoken.min_tokens[rows])[:, None]
        logits = logits + NEVER * early * self._ends(logits)
        logprobs = (logits / self._temperature).log_softmax(-1)
        entropy = -(logprobs.detach().exp() * logprobs.detach()).sum(-1)
        return logprobs.gather(-1, targets[:, None])[:, 0], entropy

    def _ends(self, logits: torch.Tensor) -> torch.Tensor:
        """[V]: 1 for the tokens that end an answer."""
        ends = logits.new_zeros(logits.shape[-1])
        ends[[token for token in self._stop if token < len(ends)]] = 1
        return ends
