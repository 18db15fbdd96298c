"""`vz init-model`: build the tiny model, teach it on scenes drawn on the spot, measure it, save a plain folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.folder.artifact import Outcome, Report, produce
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe
from stages.core.vlm.saving import save_model
from stages.init_model.card import card
from stages.init_model.plan import HELD_OUT, PAIRS, THREADS, Teaching

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    from stages.init_model.pictures import Album
    from stages.init_model.teach import Classroom, Exam

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
    save(model, processor, work)
    text = card(counts, seed=recipe.seed, players=recipe.game.players, clue_rounds=recipe.game.clue_rounds)
    (work / "README.md").write_text(text, encoding="utf-8")
    timings = {"render_seconds": rendered - started, "teach_seconds": taught - rendered}
    warnings = [] if counts["vote_steps"] < Teaching().vote.steps else [TOO_WEAK]
    return Outcome(counts=counts, warnings=warnings, timings={name: round(value, 1) for name, value in timings.items()})


def _albums(recipe: Recipe) -> tuple[Album, Album]:
    """Pictures to teach with, and others to measure with."""
    from stages.init_model.pictures import draw_album

    count, processes = PAIRS + HELD_OUT, recipe.init_model.processes
    with progress_bar("drawing pairs", count) as progress:
        whole = draw_album(recipe.games, count, seed=recipe.seed, processes=processes, progress=progress)
    return whole.split(PAIRS)


def teach_and_measure(
    recipe: Recipe, train: Album, held_out: Album, plan: Teaching | None = None
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor, dict[str, Any]]:
    """The taught model with its processor, and what became of it: parameters, steps, quality of play."""
    from stages.init_model.batches import to_pixels
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.measure import Voice, play
    from stages.init_model.teach import Classroom, Exam
    from stages.init_model.tokenizer import build_tokenizer

    plan = plan or Teaching()
    tokenizer = build_tokenizer()
    processor = build_processor(plan.body, tokenizer)
    model = build_model(plan.body, tokenizer, recipe.seed)
    room = Classroom.open(plan, recipe.game, model, processor, train, recipe.seed)
    pixels = to_pixels(processor, list(held_out.pictures))
    exam = Exam.prepare(room, held_out, pixels, recipe.seed)
    marks = _teach(room, exam)
    quality = play(Voice(model, processor, pixels), held_out.pairs, recipe.game, seed=recipe.seed)
    counts = {"parameters": model.num_parameters(), **marks, **quality.as_dict()}
    return model, processor, counts


def _teach(room: Classroom, exam: Exam) -> dict[str, Any]:
    """All four parts. Returns the steps that `vote` took and the exam's mark at the end."""
    plan = room.plan
    marks: list[float] = []

    def enough() -> bool:
        marks.append(exam.mark())
        return marks[-1] >= plan.stop_at

    total = sum(course.steps for course in (plan.look, plan.see, plan.vote, plan.settle))
    with progress_bar("teaching", total) as progress:
        room.look(progress)
        room.see(progress)
        room.vote(enough, progress)
        room.settle(progress)
    reached = marks[-1] >= plan.stop_at
    steps = (len(marks) - 1) * plan.measure_every if reached else plan.vote.steps
    return {"vote_steps": steps, "exam": round(exam.mark(), 4)}


def save(model: LlavaForConditionalGeneration, processor: LlavaProcessor, folder: Path) -> None:
    """A plain Hugging Face folder: float32 safetensors, config, generation config, processor, tokenizer."""
    save_model(model, folder)
    processor.save_pretrained(folder)


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
