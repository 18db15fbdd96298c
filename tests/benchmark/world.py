"""Small tasks in lmms-eval's own format, with pictures of our own making, in words that the toy model knows.

Three tasks of 36 questions: multiple choice (the shape, by its number), free answer (the colour), and reading a chart
(which bar is longer). The pictures are in Parquet files beside the tasks.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import polars as pl
from PIL import Image, ImageDraw

COLOURS = {
    "gray": (110, 110, 110), "red": (200, 40, 40), "blue": (40, 70, 210), "green": (30, 130, 40),
    "brown": (130, 75, 30), "purple": (130, 40, 190), "cyan": (40, 210, 210), "yellow": (240, 230, 50),
}  # fmt: skip
SHAPES = ("cube", "sphere", "cylinder")
TASKS = ("toy_choice", "toy_colour", "toy_bars")
QUESTIONS = 36
SIDE = 72

TASK = """\
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.picture
doc_to_text: !function utils.question
doc_to_target: answer
generation_kwargs:
  max_new_tokens: 4
process_results: !function utils.score
metric_list:
  - metric: right
    aggregation: mean
    higher_is_better: true
"""
UTILS = """\
import io

from PIL import Image


def picture(doc):
    return [Image.open(io.BytesIO(doc["picture"])).convert("RGB")]


def question(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def score(doc, results):
    return {"right": float(results[0].strip() == doc["answer"])}
"""


class Question(NamedTuple):
    picture: Image.Image
    question: str
    answer: str


def questions(task: str, seed: int, count: int = QUESTIONS) -> Iterator[Question]:
    """`count` questions of a task; each seed draws other pictures."""
    for number in range(count):
        yield _MAKERS[task](Random(f"{task} {seed} {number}"))


def write_tasks(folder: Path) -> Path:
    """A tasks folder that `--tasks-folder` takes."""
    folder.mkdir(parents=True)
    (folder / "utils.py").write_text(UTILS)
    for name in TASKS:
        rows = [(_png(each.picture), each.question, each.answer) for each in questions(name, seed=0)]
        data = folder / f"{name}.parquet"
        pl.DataFrame(rows, schema=["picture", "question", "answer"], orient="row").write_parquet(data)
        (folder / f"{name}.yaml").write_text(TASK.format(name=name, data=data.resolve()))
    return folder


def _choice(draw: Random) -> Question:
    shape = draw.choice(SHAPES)
    order = draw.sample(SHAPES, k=3)
    picture, pen = _paper(draw)
    _draw(pen, shape, draw.choice(list(COLOURS.values())), draw)
    listed = " ".join(f"{number} : {each} ." for number, each in enumerate(order, start=1))
    return Question(picture, f"shape ? {listed}", str(order.index(shape) + 1))


def _colour(draw: Random) -> Question:
    name = draw.choice(list(COLOURS))
    picture, pen = _paper(draw)
    _draw(pen, draw.choice(SHAPES), COLOURS[name], draw)
    return Question(picture, "color ?", name)


def _bars(draw: Random) -> Question:
    first, second = draw.sample(list(COLOURS), k=2)
    heights = draw.sample(range(8, 60, 8), k=2)
    picture, pen = _paper(draw)
    for place, (name, height) in enumerate(zip((first, second), heights, strict=True)):
        left = 10 + 30 * place
        pen.rectangle((left, SIDE - 4 - height, left + 20, SIDE - 4), fill=COLOURS[name])
    return Question(picture, f"more {first} than {second} ?", "yes" if heights[0] > heights[1] else "no")


_MAKERS = dict(zip(TASKS, (_choice, _colour, _bars), strict=True))


def _paper(draw: Random) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    shade = draw.randint(225, 255)
    picture = Image.new("RGB", (SIDE, SIDE), (shade, shade, shade))
    return picture, ImageDraw.Draw(picture)


def _draw(pen: ImageDraw.ImageDraw, shape: str, colour: tuple[int, int, int], draw: Random) -> None:
    left, top, size = draw.randint(4, 24), draw.randint(4, 24), draw.randint(32, 44)
    box = (left, top, left + size, top + size)
    if shape == "sphere":
        pen.ellipse(box, fill=colour)
    elif shape == "cube":
        pen.rectangle(box, fill=colour)
    else:
        pen.rounded_rectangle((left + 8, top, left + size - 8, top + size), 8, fill=colour)


def _png(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()
