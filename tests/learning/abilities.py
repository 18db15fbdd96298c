"""What a model with English eyes can do besides the game: captions, questions, and plain English.

    python -m tests.learning.abilities --model runs/start/smollm2 --games runs/games --out abilities.json

Pictures are those of the split `test`, which no training has seen.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import torch
from PIL import Image

from stages.core.clevr.scene_json import from_json
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe, load
from stages.core.recipe.games import GRID_CELLS
from stages.core.seeds import derive, rng
from stages.core.vlm.loading import load_model, load_processor, set_threads
from stages.init_model.batches import to_pixels
from stages.init_model.english.lessons import English, attribute_lesson, caption_lesson
from stages.init_model.english.plain import own_texts, perplexity
from stages.init_model.lessons import View
from stages.init_model.measure import Voice
from stages.init_model.pictures import cells_of
from stages.init_model.plan import ENGLISH


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    recipe = load("smollm2")
    set_threads(1)
    figures = measure(given.model, given.games, recipe, given.pairs)
    write_json(given.out, figures)
    print(*(f"{name} {value:.4g}" for name, value in figures.items()), sep="\n")
    return 0


@torch.no_grad()
def measure(place: Path, games: Path, recipe: Recipe, pairs: int) -> dict[str, float]:
    """Shares of the likeliest captions and answers that are right, word for word; the perplexity of a token of held-out
    paragraphs; and how varied the model's own answers to two dozen everyday requests are."""
    model, processor = load_model(place, recipe.model), load_processor(place, recipe.model)
    views, pictures = _held_out(games, pairs)
    voice = Voice(model, processor, to_pixels(processor, pictures), English(), ENGLISH)
    dice = rng(0, "abilities")
    own, kept = own_texts(model, processor.tokenizer, derive(0, "abilities", "plain"))
    return {
        "captions_right": voice.right([caption_lesson(view) for view in views]),
        "attributes_right": voice.right([attribute_lesson(view, dice) for view in views]),
        "questions_right": voice.right([voice.speech.question(view, dice) for view in views]),
        "perplexity": perplexity(model, processor.tokenizer),
        "words_in_own_answers": _distinct(own, kept),
    }


def _distinct(ids: torch.Tensor, kept: torch.Tensor) -> float:
    """Share of different tokens among all tokens of a text, on average: it falls when answers repeat themselves."""
    texts = [row[mask.bool()] for row, mask in zip(ids, kept, strict=True)]
    return sum(len(text.unique()) / len(text) for text in texts) / len(texts)


def _held_out(games: Path, pairs: int) -> tuple[list[View], list[Image.Image]]:
    """What each held-out picture shows, and the picture: the original and the modified one of each pair."""
    held_out = pl.read_parquet(games / "pairs.parquet").filter(pl.col("split") == "test").sort("pair_id").head(pairs)
    views: list[View] = []
    pictures: list[Image.Image] = []
    for pair in held_out.iter_rows(named=True):
        for scene, picture in (("scene", "original"), ("modified_scene", "modified")):
            shown = from_json(json.loads(pair[scene]), pair[picture])
            views.append(View(len(views), cells_of(shown, GRID_CELLS)))
            pictures.append(Image.open(games / pair[picture]).convert("RGB"))
    return views, pictures


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="abilities", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--games", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=75, help="held-out pairs; each has two pictures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
