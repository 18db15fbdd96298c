"""The prompts: questions about CLEVR scenes, and texts with or without a picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

import polars as pl

from stages.core.clevr.questions import draw_questions
from stages.core.errors import InputError
from stages.core.game.prompting import Message, render
from stages.core.recipe import Recipe
from stages.core.seeds import rng

TEXTS = Path(__file__).with_name("texts.txt")  # the texts that come with vz
IMAGE = "<image>"  # marks a picture's place in a text
QUESTIONS = "outside questions"  # separates their random draws from those of other questions


@dataclass(frozen=True)
class OutsidePrompt:
    """A prompt, and the picture that it shows: a path in the games folder, or None."""

    id: str
    kind: str  # question, text
    messages: list[Message]
    picture: str | None


def texts_of(recipe: Recipe) -> Path:
    """The file with the texts. `InputError` if it does not exist."""
    place = Path(recipe.outside.texts) if recipe.outside.texts else TEXTS
    if not place.is_file():
        raise InputError(f"outside.texts: {place} is not a file; name a text file with one prompt per line")
    return place


def draw_prompts(recipe: Recipe, pairs: pl.DataFrame) -> list[OutsidePrompt]:
    """`outside.prompts` prompts about the pictures of `pairs`, chosen by the recipe's seed."""
    settings = recipe.outside
    wanted = round(settings.prompts * settings.questions)
    drawn = draw_questions(pairs, wanted, settings.attributes, recipe.seed, QUESTIONS)
    questions = [
        OutsidePrompt(number, "question", render(recipe.game.prompts, "question", question=question), picture)
        for number, _, picture, question in drawn
    ]
    return [*questions, *islice(_texts(recipe, pairs), settings.prompts - len(questions))]


def _texts(recipe: Recipe, pairs: pl.DataFrame) -> Iterator[OutsidePrompt]:
    """The texts in turn, shuffled by the seed, each time with another picture."""
    draw = rng(recipe.seed, "outside texts")
    lines = _read(texts_of(recipe))
    pictures = [ref for name in ("original", "modified") for ref in pairs[name].drop_nulls()]
    for number, line in enumerate(cycle(draw.sample(lines, len(lines)))):
        picture = draw.choice(pictures) if IMAGE in line else None
        yield OutsidePrompt(f"t{number:06d}", "text", [{"role": "user", "content": _parts(line)}], picture)


def _read(file: Path) -> Sequence[str]:
    """The lines. `InputError` names a line with two pictures."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: not a readable UTF-8 text ({error})") from error
    for number, line in enumerate(lines, start=1):
        if line.count(IMAGE) > 1:
            raise InputError(f"{file}, line {number}: a prompt shows at most one picture, so write {IMAGE} once")
    if not (found := [line.strip() for line in lines if line.strip()]):
        raise InputError(f"{file}: holds no prompt; write one per line")
    return found


def _parts(line: str) -> list[dict[str, str | None]]:
    before, mark, after = (part.strip() for part in line.partition(IMAGE))
    shown: list[dict[str, str | None]] = [{"type": "image", "text": None}] if mark else []
    return [*_text(before), *shown, *_text(after)]


def _text(part: str) -> list[dict[str, str | None]]:
    return [{"type": "text", "text": part}] if part else []
