"""Estimates a round's time: products at a share of the device's peak, decoding at a share of its bandwidth.

A token costs 2 FLOPs per weight that it meets in a forward pass. The backward pass costs twice that if all weights
train, and the same if only an adapter trains, since its base needs no weight gradients. Gradient checkpointing repeats
the forward pass. Attention adds 4 FLOPs per query value and visible token.
"""

from __future__ import annotations

from dataclasses import dataclass

from stages.core.estimate.machine import Machine
from stages.core.estimate.playing import BYTES, Playing, kv_bytes
from stages.core.estimate.training import Setup, trained
from stages.core.estimate.workload import Look, Phase, Workload
from stages.core.recipe import Recipe
from stages.core.vlm.size import ModelSize, Stack

# Achieved shares of the peak. Training: arXiv 2407.21783 (Llama 3) reports 0.38 to 0.43 on H100. Prompts and decoding:
# our assumption. On a CPU: measured, relative to the product and the copy in `machine`.
TRAINING = {"cuda": 0.35, "cpu": 0.5}
PROMPTS = {"cuda": 0.5, "cpu": 0.8}
BANDWIDTH = {"cuda": 0.6, "cpu": 0.6}
STEP = {"vllm": 1e-4, "transformers": 1e-3}  # seconds per layer in a decoding step, apart from arithmetic
OPTIMIZER_PASSES = 7  # AdamW reads weight, gradient and two moments, and writes three of them


@dataclass(frozen=True)
class Seconds:
    """The seconds of one round."""

    playing: float
    training: float
    at_once: bool  # whether the next round plays while this one trains

    @property
    def round(self) -> float:
        return max(self.playing, self.training) if self.at_once else self.playing + self.training


def training_flops(size: ModelSize, setup: Setup, tokens: float, longest: float, answers: float, kl: bool) -> float:
    """FLOPs for `tokens` in all trees, in rows of `longest` tokens; the head sees `answers` of them."""
    language, again, full = size.language, int(setup.checkpointing), size.adapter is None
    forward = _forward(language, tokens, longest)
    passes = 1 + again + (2 if full else 1) + int(kl)
    head = 2 * size.vocabulary * language.hidden * answers * (1 + 2 + int(full) + int(kl))
    adapter = 0 if size.adapter is None else 2 * size.adapter.weights * tokens * (3 + again)
    return forward * passes + head + adapter


def looking_flops(size: ModelSize, setup: Setup, pictures: float, look: Look, updates_tower: bool) -> float:
    """FLOPs of the vision tower: once per picture if it is frozen, else with its backward pass and the reference's."""
    if size.vision is None:
        return 0
    forward = _forward(size.vision, pictures * look.patches, look.patches)
    return forward * (4 + int(setup.checkpointing) if updates_tower else 1)


def training_seconds(
    size: ModelSize, setup: Setup, machine: Machine, phase: Phase, games: int, pictures: float, look: Look, kl: bool
) -> float:
    """Seconds to train on a round of `games` games, in one update."""
    answers = games * phase.rows * phase.answer
    tokens = games * phase.tree + answers
    flops = training_flops(size, setup, tokens, phase.prompt + phase.answer, answers, kl)
    flops += looking_flops(size, setup, games * pictures, look, not size.sees_frozen)
    kind, share = ("cuda" if machine.is_gpu else "cpu"), setup.processes
    step = (
        OPTIMIZER_PASSES * 4 * trained(size) / (machine.bandwidth * BANDWIDTH[kind]) / (share if setup.sharded else 1)
    )
    return flops / (machine.flops * TRAINING[kind] * share) + step


def playing_seconds(
    size: ModelSize, recipe: Recipe, machine: Machine, playing: Playing, work: Workload, games: int
) -> float:
    """Seconds to play: clue turns one after another, each for all games at once; then all votes."""
    kind, engines = ("cuda" if machine.is_gpu else "cpu"), playing.engines
    in_play = min(games, recipe.rollout.concurrent_games)
    waves = -(-games // in_play)
    seconds = 0.0
    for phase, turns in ((work.clues, work.turns), (work.votes, 1)):
        answers = in_play * phase.rows / turns
        seconds += turns * waves * _decoding(size, recipe, machine, playing, phase, answers / engines)
    prompts = games * (work.clues.tree + work.votes.tree)
    flops = _forward(size.language, prompts, work.votes.longest)
    flops += looking_flops(size, _NO_TRAINING, games * work.pictures, work.look, False)
    return seconds + flops / (machine.flops * PROMPTS[kind] * engines)


def _decoding(
    size: ModelSize, recipe: Recipe, machine: Machine, playing: Playing, phase: Phase, answers: float
) -> float:
    """Seconds for one engine to compute `answers` answers, as many at once as fit."""
    kind, engine = ("cuda" if machine.is_gpu else "cpu"), recipe.rollout.engine
    at_once = min(playing.at_once(phase), max(1.0, answers))
    context = phase.prompt + phase.answer / 2
    parts = recipe.rollout.vllm.tensor_parallel if engine == "vllm" else 1
    moved = size.language.active * BYTES[recipe.model.dtype] + at_once * context * kv_bytes(size, recipe)
    memory = moved / parts / (machine.bandwidth * BANDWIDTH[kind])
    weights = size.language.active + size.vocabulary * size.language.hidden
    products = 2 * weights * at_once / parts / (machine.flops * PROMPTS[kind])
    step = max(memory, products) + size.language.layers * STEP["vllm" if engine == "vllm" else "transformers"]
    return answers * phase.answer / at_once * step


def _forward(stack: Stack, tokens: float, seen: float) -> float:
    """FLOPs of a forward pass over `tokens` tokens in sequences of `seen` tokens."""
    return 2 * stack.active * tokens + 4 * stack.layers * stack.queries * tokens * seen


_NO_TRAINING = Setup(False, False, "adamw", False, False, 0, 1, False, False, False, False)
