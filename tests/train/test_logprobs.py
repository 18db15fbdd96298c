"""What the trainer's log-probs need of a model, what they make of prompts, and what is made of them."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import Llama4Config, Llama4ForConditionalGeneration

from stages.core.errors import InputError
from stages.core.recipe import load
from stages.train.logprobs import Spoken, Tokens, add_head


def test_a_prompt_may_hold_tokens_that_the_head_has_no_logit_for() -> None:
    one = torch.ones((1,))
    prompt, answer = torch.tensor([[3, 9, 1]]), torch.tensor([[2, 1]])
    spoken = Spoken(prompt, torch.tensor([[0, 1, 1]]), answer, torch.ones_like(answer), one, one)
    assert spoken.first_seen(5).tolist() == [[2, -1, 0, 2, 2]]


def test_a_model_whose_parts_do_not_end_before_its_head_is_refused() -> None:
    with torch.device("meta"):
        model = Llama4ForConditionalGeneration(
            Llama4Config(
                text_config={"num_hidden_layers": 1, "hidden_size": 8, "vocab_size": 8, "num_local_experts": 1},
                vision_config={"num_hidden_layers": 1},
            )
        )
    with pytest.raises(InputError, match="Llama4ForConditionalGeneration: models without a part that ends before"):
        add_head(model, 1.0, Tokens(frozenset(), frozenset()))


def test_a_row_that_is_no_anchor_cannot_spoil_the_anchors_gradient() -> None:
    from stages.train.replay import ReplayTrainer

    logprobs = torch.tensor([[-1.0, -2.0], [-200.0, 0.0]], requires_grad=True)  # e^200 overflows
    inputs = {
        "anchor_per_token_logps": torch.tensor([[-1.5, -2.0], [-1.0, 0.0]]),
        "anchor_mask": torch.tensor([[1, 1], [0, 0]]),
        "anchor_factor": torch.tensor(1.0),
    }
    trainer: Any = SimpleNamespace(replay=SimpleNamespace(recipe=load("tiny", ["train.anchor_kl=2"])))
    loss = ReplayTrainer._anchor_loss(trainer, inputs, logprobs)
    loss.backward()
    assert loss.item() == pytest.approx(2 * (math.exp(-0.5) + 0.5 - 1) / 2)
    assert logprobs.grad is not None
    assert logprobs.grad.tolist() == [[pytest.approx(1 - math.exp(-0.5)), 0.0], [0.0, 0.0]]
