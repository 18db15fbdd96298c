"""The whole stage, and the model that comes with vz."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.recipe import Recipe, load, shared_folder
from stages.init_model import run
from stages.init_model.batches import to_pixels
from stages.init_model.compact import Compact
from stages.init_model.measure import Quality, Voice, play
from stages.init_model.pictures import draw_album
from stages.init_model.plan import TINY

SEED_OF_NO_LESSON = 90_001  # the shipped model was made with the recipe's own seed


def test_a_recipe_that_the_tiny_model_cannot_learn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="layout: grid"):
        run(Recipe(), tmp_path / "model")
    tiny = load("tiny")
    standard = tiny.model_copy(update={"game": tiny.game.model_copy(update={"prompts": "standard"})})
    with pytest.raises(InputError, match="only the prompts compact"):
        run(standard, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_shipped_model_plays_above_garbage() -> None:
    quality = _play(shared_folder("data") / "tiny-model", pairs=16)
    assert quality.clue_readable >= 0.95
    assert quality.vote_readable >= 0.9
    assert quality.clue_true_civilian >= 0.7


@pytest.mark.slow
def test_the_shipped_model_is_in_its_band() -> None:
    _assert_band(_play(shared_folder("data") / "tiny-model", pairs=256))


@pytest.mark.slow
def test_init_model_makes_a_model_in_the_band(tmp_path: Path) -> None:
    recipe = load("tiny", ["seed=1"])
    report = run(recipe, tmp_path / "model")
    assert report.status == "done"
    assert run(recipe, tmp_path / "model").status == "up to date"
    assert (tmp_path / "model" / "model.safetensors").stat().st_size < 4_000_000
    assert json.loads((tmp_path / "model" / "manifest.json").read_text())["counts"] == report.counts
    _assert_band(_play(tmp_path / "model", pairs=256))


def _play(folder: Path, pairs: int) -> Quality:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    recipe = load("tiny")
    album = draw_album(recipe.games, range(pairs), seed=SEED_OF_NO_LESSON, processes=1)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    voice = Voice(model, processor, to_pixels(processor, list(album.pictures)), Compact(), TINY)
    return play(voice, album.pairs, recipe.game, seed=SEED_OF_NO_LESSON)


def _assert_band(quality: Quality) -> None:
    """Well above garbage, well below what the game allows (standard error of an accuracy: about .015)."""
    assert quality.clue_readable >= 0.98
    assert quality.vote_readable >= 0.92
    assert quality.clue_true_civilian >= 0.85
    assert 0.25 <= quality.vote_accuracy <= 0.4
    assert quality.vote_accuracy_greedy >= quality.vote_accuracy
    assert quality.answers_right >= 0.55
    assert quality.vote_na < 0.1
