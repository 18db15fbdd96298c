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

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    from stages.init_model.pictures import Album
    from stages.init_model.teach import Classroom, Exam

STAGE = "init-model"


def run(recipe: Recipe, out: Path, *, overwrite: bool = False) -> Report:
    """Make the tiny model at `out`, by the sections `init_model`, `game` and `games` of `recipe`.

    A few minutes on two cores; same recipe and seed on the same machine, same weights. `InputError` when the recipe's
    pictures or prompts are not what the tiny model can learn.
    """
    from stages.init_model.pictures import check_games

    for package, extra in (("torch", "train"), ("transformers", "train"), ("mitsuba", "render")):
        require(package, extra)
    check_games(recipe.games, recipe.init_model.body)
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
    with _threads(recipe.init_model.threads):
        model, processor, counts = teach_and_measure(recipe, train, held_out)
    taught = time.monotonic()
    save(model, processor, work)
    text = card(counts, seed=recipe.seed, players=recipe.game.players, clue_rounds=recipe.game.clue_rounds)
    (work / "README.md").write_text(text, encoding="utf-8")
    timings = {"render_seconds": rendered - started, "teach_seconds": taught - rendered}
    warnings = _warnings(counts["vote_steps"], recipe.init_model.vote.steps)
    return Outcome(counts=counts, warnings=warnings, timings={name: round(value, 1) for name, value in timings.items()})


def _warnings(taken: int, limit: int) -> list[str]:
    if taken < limit:
        return []
    return [f"votes were not learned as far as init_model.stop_at in {limit} steps: raise init_model.vote.steps"]


def _albums(recipe: Recipe) -> tuple[Album, Album]:
    """Pictures to teach with, and others to measure with."""
    from stages.init_model.pictures import draw_album

    section = recipe.init_model
    with progress_bar("drawing pairs", section.pairs + section.held_out) as progress:
        whole = draw_album(
            recipe.games,
            section.pairs + section.held_out,
            seed=recipe.seed,
            processes=section.processes,
            progress=progress,
        )
    return whole.split(section.pairs)


def teach_and_measure(
    recipe: Recipe, train: Album, held_out: Album
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor, dict[str, Any]]:
    """The taught model with its processor, and what became of it: parameters, steps, quality of play."""
    from stages.init_model.batches import to_pixels
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.measure import Voice, play
    from stages.init_model.teach import Classroom, Exam
    from stages.init_model.tokenizer import build_tokenizer

    tokenizer = build_tokenizer()
    processor = build_processor(recipe.init_model.body, tokenizer)
    model = build_model(recipe.init_model.body, tokenizer, recipe.seed)
    room = Classroom.open(recipe.init_model, recipe.game, model, processor, train, recipe.seed)
    pixels = to_pixels(processor, list(held_out.pictures))
    exam = Exam.prepare(room, held_out, pixels, recipe.seed)
    marks = _teach(room, exam)
    quality = play(Voice(model, processor, pixels), held_out.pairs, recipe.game, seed=recipe.seed)
    counts = {"parameters": model.num_parameters(), **marks, **quality.as_dict()}
    return model, processor, counts


def _teach(room: Classroom, exam: Exam) -> dict[str, Any]:
    """All four parts. Returns the steps that `vote` took and the exam's mark at the end."""
    section = room.section
    marks: list[float] = []

    def enough() -> bool:
        marks.append(exam.mark())
        return marks[-1] >= section.stop_at

    total = sum(course.steps for course in (section.look, section.see, section.vote, section.settle))
    with progress_bar("teaching", total) as progress:
        room.look(progress)
        room.see(progress)
        room.vote(enough, progress)
        room.settle(progress)
    reached = marks[-1] >= section.stop_at
    steps = (len(marks) - 1) * section.measure_every if reached else section.vote.steps
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
