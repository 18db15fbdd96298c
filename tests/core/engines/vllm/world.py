"""Requests to a vLLM engine, and their answers recomputed by transformers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from stages.core import vlm
from stages.core.engines.base import Completion, Engine, Request, Sampling
from stages.core.pictures import Picture
from stages.core.recipe import Recipe
from tests.train.world import Rules

# The tiny recipe on vLLM's CPU build: no compilation, little memory.
VLLM = ["rollout.engine=vllm", "deterministic=false", "rollout.vllm.eager=true", "rollout.vllm.cpu_memory=0.5"]
VLLM += ["rollout.vllm.options={block_size: 32}", "evaluate.every=0"]
# Tests that share the engine of `asker` run in one process of pytest-xdist: it takes 20 seconds to start.
ONE_ENGINE = pytest.mark.xdist_group("one vLLM engine")
QUESTIONS = ["clue list seat 1 civilian", "vote list players 4 rounds 2", "clue list seat 3 spy changed red cube"]


def build_model(folder: Path, seed: int = 0, *, tied: bool = False, layers: int = 2) -> Path:
    """A LLaVA of random weights, as small as vLLM's kernels allow, which takes long prompts.

    Tied: one table of words for reading and saying.

    Its features are the picture encoder's last layer but one, as in LLaVA itself: vLLM computes no others rightly.
    """
    from stages.core.vlm.saving import save_model
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.plan import Body
    from stages.init_model.tokenizer import build_tokenizer

    shape = Body(
        picture=72, patch=24, vision_width=64, vision_layers=2, text_width=64, text_layers=layers, head_width=32
    )
    tokenizer = build_tokenizer()
    model = build_model(shape, tokenizer, seed)
    model.config.vision_feature_layer = -2
    model.config.text_config.max_position_embeddings = 4096
    if not tied:
        model.config.tie_word_embeddings = model.config.text_config.tie_word_embeddings = False
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().flip(0))
    save_model(model, folder)
    build_processor(shape, tokenizer).save_pretrained(folder)
    return folder


def write_pictures(folder: Path) -> Path:
    for number in range(4):
        image = Image.new("RGB", (72, 72), (60 * number, 200 - 50 * number, 90))
        image.paste((250, 20 * number, 20), (8 * number, 8, 8 * number + 24, 40))
        image.save(folder / f"{number}.png")
    return folder


@dataclass
class Asker:
    """Puts questions about pictures to an engine."""

    engine: Engine
    recipe: Recipe
    pictures: Path

    def request(self, number: int, **changes: object) -> Request:
        parts = [{"type": "image", "text": None}, {"type": "text", "text": QUESTIONS[number % len(QUESTIONS)]}]
        path = self.pictures / f"{number % 4}.png"
        picture = Picture(self.pictures, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        sampling = Sampling.of(self.recipe.rollout, "clue")
        made = Request(
            (number, 0), [{"role": "user", "content": parts}], [picture], 1, 1000 + number, sampling, "current"
        )
        return replace(made, **changes)  # type: ignore[arg-type]

    def ask(self, requests: Sequence[Request]) -> list[list[Completion]]:
        async def together() -> list[list[Completion]]:
            return list(await asyncio.gather(*(self.engine.generate(request) for request in requests)))

        return self.engine.run(together())


def assert_same_answer(one: Completion, other: Completion) -> None:
    """Log-probs may differ in their last bits: vLLM computes a prompt in full or from its cache."""
    assert replace(one, logprobs=[]) == replace(other, logprobs=[])
    assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def recomputed(model: Path, recipe: Recipe, request: Request, completion: Completion) -> torch.Tensor:
    """[T] log-probs of a completion by transformers, alone and unpadded, at the request's temperature."""
    policy = vlm.load_model(model, recipe.model)
    processor = vlm.load_processor(model, recipe.model)
    inputs = vlm.encode(processor, [request.messages], [[picture.load() for picture in request.pictures]])
    prompt = inputs["input_ids"]
    inputs["input_ids"] = torch.cat([prompt, torch.tensor([completion.token_ids])], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    with torch.no_grad():
        logits = policy(**inputs).logits[0, prompt.shape[1] - 1 : -1].float()
    rules = Rules(
        request.sampling.min_tokens,
        request.sampling.repetition_penalty,
        tuple(vlm.stop_tokens(policy, processor)),
        tuple(vlm.placeholder_tokens(policy, processor)),
    )
    ids, found = prompt[0].tolist(), []
    for place, token in enumerate(completion.token_ids):
        changed = rules.applied(logits[place], [*ids, *completion.token_ids[:place]], place)
        found.append((changed / (request.sampling.temperature or 1.0)).log_softmax(-1)[token])
    return torch.stack(found)
