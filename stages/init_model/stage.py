"""`vz init-model`: makes a model that sees and plays a little, measures it, and saves it as a plain folder.

Without a language model, it is the tiny one, made from scratch. With one, it is that language model with new eyes:
taught here, or assembled from the result of an earlier teaching (`init_model.trained`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.core.errors import InputError, require
from stages.core.folder.artifact import Outcome, Report, produce
from stages.core.progress import progress_bar
from stages.core.recipe import Recipe, shared_folder
from stages.core.vlm.saving import save_model
from stages.init_model.language_model import load_language_model, place_of_language_model
from stages.init_model.plan import ENGLISH, STATE, THREADS, TINY, TRAINED, Teaching

if TYPE_CHECKING:
    from transformers import LlavaForConditionalGeneration, LlavaProcessor

    from stages.init_model.pictures import Album

STAGE = "init-model"
TOO_WEAK = "the model did not learn to vote as well as it should; try another --seed"
_PICTURES = "pictures.npz"  # of an unfinished teaching


def run(recipe: Recipe, out: Path, *, overwrite: bool = False, plan: Teaching | None = None) -> Report:
    """Make the model at `out`, by the sections `init_model`, `game` and `games` of `recipe`.

    The same recipe and seed give the same weights on the same machine. An interrupted teaching of a language model
    continues where it stopped. `InputError` if the language model does not exist, or the model cannot learn from the
    recipe's pictures or prompts.
    """
    own = recipe.init_model
    for package in ("torch", "transformers", *(("peft",) if own.language_model else ())):
        require(package, "train")
    from stages.init_model.pictures import check_games
    from stages.init_model.trained import eyes_in

    inputs: dict[str, Path | str] = {}
    make: Callable[[Path], Outcome]
    if own.language_model is not None:
        inputs["language model"] = place_of_language_model(own.language_model)
    if own.trained is not None:
        if own.language_model is None:
            raise InputError("init_model.trained: needs a language model; set init_model.language_model")
        inputs["trained"] = folder = trained_folder(own.trained)
        check_games(recipe.games, eyes_in(folder))
        make = partial(_put_together, inputs)
    else:
        plan = plan or (TINY if own.language_model is None else ENGLISH)
        _check(recipe, plan)
        make = partial(_teach_and_save, recipe, inputs, plan)
    return produce(
        out,
        stage=STAGE,
        settings=recipe.settings("init_model", "game", "games"),
        inputs=inputs,
        make=make,
        overwrite=overwrite,
        resumable=own.language_model is not None,
    )


def trained_folder(name: str) -> Path:
    """The folder of trained eyes: a path, or the name of a folder that comes with vz."""
    from stages.init_model.trained import ABOUT

    for folder in (Path(name), Path(name) / TRAINED, shared_folder("data") / name):
        if (folder / ABOUT).is_file():
            return folder
    raise InputError(
        f"init_model.trained: {name}: no such folder, or it has no {ABOUT}; set init_model.trained=null to teach the "
        "language model here"
    )


def _check(recipe: Recipe, plan: Teaching) -> None:
    """`InputError` unless the model can learn this game from these pictures."""
    from stages.init_model.pictures import check_games

    require("mitsuba", "render")
    check_games(recipe.games, plan.body)
    prompts = "compact" if plan.adapter is None else "short"
    if recipe.game.prompts != prompts or recipe.game.players > 9:
        raise InputError(f"game: this model learns only the prompts {prompts} and up to 9 players; use those")


def _put_together(inputs: dict[str, Path | str], work: Path) -> Outcome:
    """The language model with previously trained eyes."""
    from stages.init_model.trained import grow

    language, folder = load_language_model(str(inputs["language model"])), Path(inputs["trained"])
    model, processor = grow(language, folder)
    _save(model, processor, work)
    readme = folder / "README.md"
    if readme.is_file():
        shutil.copyfile(readme, work / "README.md")
    return Outcome(counts={"parameters": model.num_parameters()})


def _teach_and_save(recipe: Recipe, inputs: dict[str, Path | str], plan: Teaching, work: Path) -> Outcome:
    started = time.monotonic()
    train, held_out = _albums(recipe, plan, work / _PICTURES if plan.adapter else None)
    rendered = time.monotonic()
    with _threads(THREADS):
        if plan.adapter is None:
            model, processor, counts = teach_and_measure(recipe, train, held_out, plan)
        else:
            from stages.init_model.english.teaching import teach_english

            language = str(inputs["language model"])
            model, processor, counts = teach_english(recipe, language, train, held_out, plan, work)
    taught = time.monotonic()
    _save(model, processor, work)
    _write_card(work, counts, recipe, plan)
    for unfinished in (_PICTURES, STATE):
        (work / unfinished).unlink(missing_ok=True)
    timings = {"render_seconds": rendered - started, "teach_seconds": taught - rendered}
    is_weak = plan.stop_at is not None and counts["vote_steps"] == plan.vote.steps
    warnings = [TOO_WEAK] if is_weak else []
    return Outcome(counts=counts, warnings=warnings, timings={name: round(value, 1) for name, value in timings.items()})


def _albums(recipe: Recipe, plan: Teaching, kept: Path | None) -> tuple[Album, Album]:
    """Pictures to teach with, and others to measure with. `kept` is a file that keeps them for next time."""
    from stages.init_model.pictures import draw_album, read_albums, write_albums

    if kept is not None and kept.is_file():
        return read_albums(kept)
    both = range(plan.pairs), range(plan.pairs, plan.pairs + plan.held_out)
    with progress_bar("drawing pairs", plan.pairs + plan.held_out) as progress:
        train, held_out = (
            draw_album(recipe.games, each, seed=recipe.seed, processes=recipe.init_model.processes, progress=progress)
            for each in both
        )
    if kept is not None:
        write_albums(kept, train, held_out)
    return train, held_out


def teach_and_measure(
    recipe: Recipe, train: Album, held_out: Album, plan: Teaching = TINY
) -> tuple[LlavaForConditionalGeneration, LlavaProcessor, dict[str, Any]]:
    """The tiny model with its processor, and its figures: parameters, steps, quality of play."""
    from stages.init_model.batches import to_pixels
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.courses import teach
    from stages.init_model.exam import Exam
    from stages.init_model.measure import Voice, play
    from stages.init_model.plan import Body
    from stages.init_model.teach import Teacher
    from stages.init_model.tokenizer import build_tokenizer

    assert isinstance(plan.body, Body)
    tokenizer = build_tokenizer()
    processor = build_processor(plan.body, tokenizer)
    model = build_model(plan.body, tokenizer, recipe.seed)
    teacher = Teacher(plan, recipe.game, model, processor, train, recipe.seed)
    pixels = to_pixels(processor, list(held_out.pictures))
    taught = teach(teacher, Exam(teacher, held_out, pixels, recipe.seed))
    voice = Voice(model, processor, pixels, teacher.speech, plan)
    quality = play(voice, held_out.pairs, recipe.game, seed=recipe.seed)
    return model, processor, {"parameters": model.num_parameters(), **taught, **quality.as_dict()}


def _save(model: LlavaForConditionalGeneration, processor: LlavaProcessor, work: Path) -> None:
    save_model(model, work)
    processor.save_pretrained(work)


def _write_card(work: Path, counts: dict[str, Any], recipe: Recipe, plan: Teaching) -> None:
    from stages.init_model.card import english_card, tiny_card

    english = partial(english_card, random_votes=plan.lessons.random_votes)
    write = tiny_card if plan.adapter is None else english
    text = write(counts, seed=recipe.seed, players=recipe.game.players, clue_rounds=recipe.game.clue_rounds)
    for folder in (work, work / TRAINED):
        if folder.is_dir():
            (folder / "README.md").write_text(text, encoding="utf-8")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Run torch on `count` threads, deterministically; restores the old number afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
