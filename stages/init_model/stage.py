"""`vz init-model`: build the tiny model, teach it on scenes drawn on the spot, measure it, save a plain folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.folder.artifact import Outcome, Report, produce
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.vlm.saving import save_model
from stages.init_model.plan import HELD_OUT, PAIRS, THREADS, Teaching

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    from stages.init_model.pictures import Album
    from stages.init_model.teach import Exam, Teacher

STAGE = "init-model"
TOO_WEAK = "the model did not learn to vote as well as it should; try another --seed"


def run(recipe: Recipe, out: Path, *, overwrite: bool = False) -> Report:
    """Make the tiny model at `out`, by the sections `game` and `games` of `recipe`.

    A few minutes on two cores; same recipe and seed on the same machine, same weights. `InputError` when the recipe's
    pictures or prompts are not what the tiny model can learn.
    """
    from stages.init_model.pictures import check_games

    for package, extra in (("torch", "train"), ("transformers", "train"), ("mitsuba", "render")):
        require(package, extra)
    check_games(recipe.games, Teaching().body)
    if recipe.game.prompts != "compact" or recipe.game.players > 9:
        raise InputError("game: the tiny model knows the words of prompts: compact and up to 9 players; use those")
    settings = recipe.settings("init_model", "game", "games")
    return produce(
        out, stage=STAGE, settings=settings, inputs={}, make=lambda work: _make(recipe, work), overwrite=overwrite
    )


def _make(recipe: Recipe, work: Path) -> Outcome:
    started = time.monotonic()
    train, held_out = _albums(recipe)
    rendered = time.monotonic()
    with _threads(THREADS):
        model, processor, counts = teach_and_measure(recipe, train, held_out)
    taught = time.monotonic()
    save_model(model, work)
    processor.save_pretrained(work)
    text = card(counts, seed=recipe.seed, players=recipe.game.players, clue_rounds=recipe.game.clue_rounds)
    (work / "README.md").write_text(text, encoding="utf-8")
    timings = {"render_seconds": rendered - started, "teach_seconds": taught - rendered}
    warnings = [] if counts["vote_steps"] < Teaching().vote.steps else [TOO_WEAK]
    return Outcome(counts=counts, warnings=warnings, timings={name: round(value, 1) for name, value in timings.items()})


def _albums(recipe: Recipe) -> tuple[Album, Album]:
    """Pictures to teach with, and others to measure with."""
    from stages.init_model.pictures import draw_album

    both = range(PAIRS), range(PAIRS, PAIRS + HELD_OUT)
    with progress_bar("drawing pairs", PAIRS + HELD_OUT) as progress:
        train, held_out = (
            draw_album(recipe.games, each, seed=recipe.seed, processes=recipe.init_model.processes, progress=progress)
            for each in both
        )
    return train, held_out


def teach_and_measure(
    recipe: Recipe, train: Album, held_out: Album, plan: Teaching | None = None
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor, dict[str, Any]]:
    """The taught model with its processor, and what became of it: parameters, steps, quality of play."""
    from stages.init_model.batches import to_pixels
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.measure import Voice, play
    from stages.init_model.teach import Exam, Teacher
    from stages.init_model.tokenizer import build_tokenizer

    plan = plan or Teaching()
    tokenizer = build_tokenizer()
    processor = build_processor(plan.body, tokenizer)
    model = build_model(plan.body, tokenizer, recipe.seed)
    teacher = Teacher(plan, recipe.game, model, processor, train, recipe.seed)
    pixels = to_pixels(processor, list(held_out.pictures))
    exam = Exam(teacher, held_out, pixels, recipe.seed)
    taught = _teach(teacher, exam)
    quality = play(Voice(model, processor, pixels), held_out.pairs, recipe.game, seed=recipe.seed)
    counts = {"parameters": model.num_parameters(), **taught, **quality.as_dict()}
    return model, processor, counts


def _teach(teacher: Teacher, exam: Exam) -> dict[str, Any]:
    """All four parts. Returns the steps that `vote` took and the exam's score at the end."""
    plan, scores = teacher.plan, list[float]()

    def enough() -> bool:
        scores.append(exam.score())
        return scores[-1] >= plan.stop_at

    with progress_bar(
        "teaching", sum(part.steps for part in (plan.look, plan.see, plan.vote, plan.settle))
    ) as progress:
        teacher.look(progress)
        teacher.see(progress)
        teacher.vote(enough, progress)
        teacher.settle(progress)
    reached = scores[-1] >= plan.stop_at
    steps = (len(scores) - 1) * plan.measure_every if reached else plan.vote.steps
    return {"vote_steps": steps, "exam": round(exam.score(), 4)}


def card(counts: Mapping[str, Any], *, seed: int, players: int, clue_rounds: int) -> str:
    """The model card: Markdown with the front matter that model hubs read. Every figure comes from `counts`."""
    from stages.init_model.measure import Quality

    meanings = [(each.name, each.metadata["meaning"]) for each in fields(Quality) if each.metadata]
    rows = "\n".join(f"| {meaning} | {counts[name]:.3f} |" for name, meaning in meanings)
    return f"""---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
---
# tiny-model

A vision–language model of {counts["parameters"]:,} weights (LLaVA: SigLIP vision, Llama text, a word-level
vocabulary of its own) that plays "Who is the spy?" on 72×72 scenes with the prompt set `compact`. Made from nothing by

    vz init-model --recipe tiny --seed {seed} --out tiny-model

It was taught for a few minutes to name what it sees and to give clues and votes, and was stopped on purpose before it
votes well, so that self-play has something to do. It is a test piece: it knows eight colours, three shapes and the
words of the game.

Measured on {counts["games"]} games of {players} players and {clue_rounds} clue round(s), pictures not learned from,
temperature 1, chance {1 / players:.2f}:

| | share |
|---|---|
{rows}
"""


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Torch on `count` threads, deterministic; as it was before, afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
