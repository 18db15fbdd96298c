"""The estimate for a recipe on a machine, whether it fits, and what would fit instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.estimate.machine import GIB, Machine
from stages.core.estimate.playing import Playing, playing_memory
from stages.core.estimate.seconds import Seconds, playing_seconds, training_seconds
from stages.core.estimate.training import BF16, FP32, MOMENTS, Memory, Setup, Shape, Terms, trained, training_memory
from stages.core.estimate.workload import Phase, Workload, workload_of
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.vlm.size import ModelSize, size_of

ROOM = 0.9  # share of the memory within which an estimate is sure to fit; its tested error is 10 % (docs/stages/doctor)
ASLEEP = GIB  # what an engine or trainer leaves on a GPU while the other works


# Whether a recipe's accelerate file shards the weights, and whether it frees gathered layers before the backward pass.
Shards = Callable[[Recipe], tuple[bool, bool]]


@dataclass(frozen=True)
class Forecast:
    """What a recipe needs on a machine."""

    place: str | Path  # the model's
    recipe: Recipe
    shards: Shards
    plays: bool
    machine: Machine
    size: ModelSize
    work: Workload
    training: Memory
    playing: Playing | None  # None if nothing plays here
    seconds: Seconds
    ram: Terms  # on a machine with GPUs: what waits there
    faults: tuple[str, ...]  # what does not fit, with numbers
    tight: tuple[str, ...]  # what fits, but with less room than the estimate's error

    @property
    def fits(self) -> bool:
        return not self.faults

    def require_fit(self) -> None:
        """`InputError` with the numbers and what would fit, if the recipe does not fit the machine."""
        if not self.fits:
            from stages.core.estimate.remedies import refusal

            raise InputError(refusal(self))

    def after_preflight(self, playing: float, clue: float, vote: float) -> dict[str, float]:
        """Seconds of a round's training and of the run, from the seconds to play a round and the mean tokens of
        answers."""
        work = self.work.with_answers(clue, vote)
        setup = setup_of(self.recipe, self.machine, self.shards(self.recipe))
        training = _seconds(self.recipe, self.machine, self.size, setup, work, None).training
        run = self.recipe.iterate.rounds * replace(self.seconds, playing=playing, training=training).round
        return {"training_round_seconds": round(training, 1), "run_seconds": round(run, 1)}

    def as_dict(self) -> dict[str, Any]:
        """The forecast as plain data, in GiB and seconds."""
        body: dict[str, Any] = {
            "machine": self.machine.name,
            "gpus": self.machine.gpus,
            "memory_gib": _gib(self.machine.memory),
            "weights": self.size.weights,
            "training_gib": {name: _gib(value) for name, value in self.training.terms.items()},
            "training_total_gib": _gib(self.training.total),
            "tokens": self.work.known,
            "round_seconds": round(self.seconds.round, 1),
            "playing_seconds": round(self.seconds.playing, 1),
            "training_seconds": round(self.seconds.training, 1),
            "run_seconds": round(self.seconds.round * self.recipe.iterate.rounds),
            "ram_gib": {name: _gib(value) for name, value in self.ram.items()},
            "fits": self.fits,
            "faults": list(self.faults),
            "tight": list(self.tight),
        }
        if self.playing:
            body["playing_gib"] = {name: _gib(value) for name, value in self.playing.memory.terms.items()}
            body["playing_total_gib"] = _gib(self.playing.memory.total)
        return body


def forecast(
    recipe: Recipe, machine: Machine, shards: Shards, *, plays: bool = True, place: str | Path | None = None
) -> Forecast:
    """What `recipe` needs on `machine`. `plays` is false if only training counts."""
    place = place_of(recipe.model.path) if place is None else place
    size = size_of(place, recipe.model, recipe.train.freeze)
    return judged(place, recipe, machine, size, workload_of(recipe, size, place), shards, plays)


def judged(
    place: str | Path,
    recipe: Recipe,
    machine: Machine,
    size: ModelSize,
    work: Workload,
    shards: Shards,
    plays: bool,
) -> Forecast:
    """The forecast for a model of this size and games of this length."""
    setup = setup_of(recipe, machine, shards(recipe), plays)
    training = training_memory(size, setup, shape_of(recipe, work))
    faults = list(_too_few_gpus(recipe, machine))
    playing = None
    if plays and recipe.rollout.reads_prompts_here:
        try:
            playing = playing_memory(size, recipe, work, machine)
        except InputError as error:
            faults.append(str(error))
    needs = _needs(machine, setup.processes, training, playing)
    faults += [_said(what, needed, machine) for what, needed in needs.items() if needed > machine.memory]
    tight = [_said(what, needed, machine) for what, needed in needs.items() if 1 > needed / machine.memory > ROOM]
    seconds = _seconds(recipe, machine, size, setup, work, playing)
    ram = _ram(size, setup, training, playing) if machine.is_gpu else {}
    if machine.ram is not None and sum(ram.values()) > machine.ram:
        tight.append(f"RAM: needs {_gib(sum(ram.values()))} GiB, and this machine has {_gib(machine.ram)}")
    return Forecast(
        place, recipe, shards, plays, machine, size, work, training, playing, seconds, ram, tuple(faults), tuple(tight)
    )


def setup_of(recipe: Recipe, machine: Machine, spread: tuple[bool, bool], plays: bool = False) -> Setup:
    """How the recipe trains on a machine."""
    train, lora = recipe.train, recipe.model.lora
    to_base = train.kl > 0 or train.outside_rows > 0
    to_switch = recipe.filter.inactive_phase == "anchor" and train.anchor_to == "switch"
    return Setup(
        bf16=machine.is_gpu if train.precision == "auto" else train.precision == "bf16",
        four_bits=recipe.model.quantization == "4bit",
        optimizer=train.optimizer,
        offload=train.offload_optimizer,
        checkpointing=train.gradient_checkpointing,
        references=to_base + to_switch if lora is None else int(to_switch and spread[0]),
        processes=train.processes,
        sharded=spread[0],
        reshards=spread[1],
        on_gpu=machine.is_gpu,
        copies_state=plays,
    )


def shape_of(recipe: Recipe, work: Workload) -> Shape:
    """The largest micro-batch: full of trees with answers as long as the recipe allows."""
    phase = max((work.clues, work.votes), key=lambda each: each.rows * each.limit / each.tree)
    longest = max(each.longest + each.limit for each in (work.clues, work.votes))
    tokens = max(recipe.train.tokens_per_batch, longest)
    tree = phase.tree + phase.rows * phase.limit
    row, alike = phase.prompt + phase.answer, phase.tree + phase.rows * phase.answer
    return Shape(
        tokens=tokens,
        answers=round(tokens * phase.rows * phase.limit / tree),
        longest=longest,
        paths=round(tokens * phase.rows * row / alike),
        patches=work.look.patches * max(1, round(tokens / tree)),
        features=work.look.tokens * work.pictures * recipe.iterate.games,
    )


def _too_few_gpus(recipe: Recipe, machine: Machine) -> Iterator[str]:
    train = recipe.train
    if machine.is_gpu and train.processes // train.machines > machine.gpus:
        each = " on each machine" if train.machines > 1 else ""
        yield f"training: train.processes is {train.processes}, but there are {machine.gpus} GPUs{each}"


def _needs(machine: Machine, processes: int, training: Memory, playing: Playing | None) -> dict[str, int]:
    """Bytes at the peak of each activity.

    On a GPU, the engine sleeps while the trainer works, and the reverse. In RAM, the weights of both stay. vLLM takes a
    share of a GPU, whatever it needs.
    """
    needs = {"training": training.total * (1 if machine.is_gpu else processes)}
    if playing:
        beside = sum(playing.memory.stays.values()), sum(training.stays.values())
        needs["training"] += ASLEEP if machine.is_gpu else beside[0]
        if not (machine.is_gpu and "CUDA graphs" in playing.memory.stays):
            needs["playing"] = playing.memory.total + (ASLEEP if machine.is_gpu else beside[1] * processes)
    return needs


def _ram(size: ModelSize, setup: Setup, training: Memory, playing: Playing | None) -> Terms:
    """What is in RAM on a machine with GPUs: what sleeps there, offloaded moments, and the state being written."""
    moments = round(MOMENTS[setup.optimizer] * trained(size))
    waits = ("weights", "optimizer", "reference")
    terms = {"state being written": FP32 * trained(size) + moments, "moments": moments if setup.offload else 0}
    if playing:
        asleep = sum(training.stays[name] for name in waits) * setup.processes
        engines = (playing.memory.stays["weights"] + playing.memory.stays["adapters"]) * playing.engines
        handed_over = BF16 * size.weights if size.adapter is None else 0  # to the engine, through /dev/shm
        terms |= {"sleeping trainer": asleep, "sleeping engine": engines, "weights for the engine": handed_over}
    return {name: value for name, value in terms.items() if value}


def _said(what: str, needed: int, machine: Machine) -> str:
    where = "each GPU has" if machine.is_gpu else "this machine has"
    return f"{what} needs {needed / GIB:.1f} GiB, and {where} {machine.memory / GIB:.0f}"


def _seconds(
    recipe: Recipe, machine: Machine, size: ModelSize, setup: Setup, work: Workload, playing: Playing | None
) -> Seconds:
    """Seconds of a round that trains votes or one that trains clues, whichever takes longer."""
    games, kl = recipe.iterate.games, recipe.train.kl > 0

    def trains(phase: Phase, pictures: int) -> float:
        return training_seconds(size, setup, machine, phase, games, pictures, work.look, kl)

    plays = playing_seconds(size, recipe, machine, playing, work, games) if playing else 0.0
    longest = max(trains(work.votes, 1), trains(work.clues, work.pictures))
    return Seconds(plays, longest, recipe.iterate.play_ahead)


def _gib(value: float) -> float:
    return round(value / GIB, 2)
