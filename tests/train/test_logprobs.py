"""What the trainer's log-probs need of a model, and what they make of prompts."""

from __future__ import annotations

import pytest
import torch
from transformers import Llama4Config, Llama4ForConditionalGeneration

from stages.core.errors import InputError
from stages.train.logprobs import Completions, Tokens, add_head


def test_a_prompt_may_contain_tokens_without_a_logit() -> None:
    one = torch.ones((1,))
    prompt, answer = torch.tensor([[9, 1, -1]]), torch.tensor([[2, 1]])
    completions = Completions(answer, torch.ones_like(answer), answer, prompt, one, one)
    assert completions.first_seen(5).tolist() == [[2, -1, 0, 2, 2]]


def test_a_model_without_a_separate_head_is_refused() -> None:
    with torch.device("meta"):
        model = Llama4ForConditionalGeneration(
            Llama4Config(
                text_config={"num_hidden_layers": 1, "hidden_size": 8, "vocab_size": 8, "num_local_experts": 1},
                vision_config={"num_hidden_layers": 1},
            )
        )
    with pytest.raises(InputError, match="Llama4ForConditionalGeneration: models without a part that ends before"):
        add_head(model, 1.0, Tokens(frozenset(), frozenset()))
