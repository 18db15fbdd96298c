"""Building, teaching, saving and playing with the tiny model, on flat pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stages.core.recipe import Recipe
from stages.core.recipe.game import Game
from stages.core.vlm.saving import save_model
from stages.init_model.batches import to_pixels
from stages.init_model.build import build_model, build_processor
from stages.init_model.compact import Compact
from stages.init_model.lessons import Thing, vote_prompt
from stages.init_model.measure import Voice, play
from stages.init_model.pictures import Album, cells_of, check_games
from stages.init_model.plan import Body, Course, Teaching
from stages.init_model.sight import cell_labels
from stages.init_model.stage import teach_and_measure
from stages.init_model.teach import Teacher
from stages.init_model.tokenizer import build_tokenizer


def _teacher(plan: Teaching, rules: Game, album: Album, seed: int = 0) -> Teacher:
    tokenizer = build_tokenizer()
    model = build_model(plan.body, tokenizer, seed)
    return Teacher(plan, rules, model, build_processor(plan.body, tokenizer), album, seed)


def test_the_body_is_small_enough_to_ship() -> None:
    model = build_model(Body(), build_tokenizer(), 0)
    assert model.num_parameters() * 4 < 4_000_000
    assert model.lm_head.weight.data_ptr() == model.get_input_embeddings().weight.data_ptr()


def test_looking_lowers_the_loss(plan: Teaching, rules: Game, album: Album) -> None:
    teacher = _teacher(replace(plan, look=Course(steps=60, rate=2e-3)), rules, album)
    before = float(teacher._look_loss().detach())
    assert teacher.look() < 0.5 * before


def test_lessons_lower_the_loss(plan: Teaching, rules: Game, album: Album) -> None:
    teacher = _teacher(replace(plan, see=replace(plan.see, steps=25)), rules, album)
    before = teacher._lesson_step({"list": 1.0})
    assert teacher.see() < 0.7 * before


def test_votes_end_when_it_is_enough(plan: Teaching, rules: Game, album: Album) -> None:
    teacher = _teacher(plan, rules, album)
    before = teacher.model.get_input_embeddings().weight.clone()
    teacher.vote(lambda: True)
    assert teacher.model.get_input_embeddings().weight.equal(before)


def test_the_last_layer_reaches_the_projector_after_its_norm(rules: Game, plan: Teaching, album: Album) -> None:
    teacher = _teacher(plan, rules, album)
    tower = teacher.model.model.vision_tower
    out = tower(teacher.pixels[:1], output_hidden_states=True)
    assert out.hidden_states[-1].equal(out.last_hidden_state)


def test_same_seed_same_weights_and_a_folder_that_loads(
    plan: Teaching, rules: Game, album: Album, tmp_path: Path
) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    recipe = Recipe(seed=3, game=rules)
    train, held_out = album, replace(album, pairs=album.pairs[:4], pictures=album.pictures[:8])
    model, processor, counts = teach_and_measure(recipe, train, held_out, plan)
    again, _, same = teach_and_measure(recipe, train, held_out, plan)
    assert counts == same
    assert all(a.equal(b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    save_model(model, tmp_path)
    processor.save_pretrained(tmp_path)
    loaded = AutoModelForImageTextToText.from_pretrained(tmp_path)
    assert all(a.equal(b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    pixels = to_pixels(AutoProcessor.from_pretrained(tmp_path), list(held_out.pictures))
    voice = Voice(loaded.eval(), AutoProcessor.from_pretrained(tmp_path), pixels, Compact(), plan)
    assert play(voice, held_out.pairs, rules, seed=3).as_dict().items() <= counts.items()


def test_generation_stops_and_never_says_a_picture(rules: Game, plan: Teaching, album: Album) -> None:
    teacher = _teacher(plan, rules, album)
    config = teacher.model.generation_config
    tokenizer = teacher.processor.tokenizer
    assert config.eos_token_id == tokenizer.eos_token_id
    assert config.pad_token_id == tokenizer.pad_token_id
    assert config.suppress_tokens == [tokenizer.convert_tokens_to_ids("<image>")]
    said = Voice(teacher.model, teacher.processor, teacher.pixels, teacher.speech, plan).say(
        [vote_prompt(rules, 1, [])] * 2, [0, 1], samples=8
    )
    assert [len(texts) for texts in said] == [8, 8]


def test_cell_labels_count_from_one(album: Album) -> None:
    labels = cell_labels(album.views, ("color", "shape"))
    empty = torch.tensor([[thing is None for thing in view.cells] for view in album.views])
    assert ((labels == 0).all(-1) == empty).all()


def test_games_of_another_kind_are_refused() -> None:
    from stages.core.errors import InputError
    from stages.core.recipe.games import Games

    with pytest.raises(InputError, match="layout: grid"):
        check_games(Games(), Body())
    with pytest.raises(InputError, match="480×320"):
        check_games(Games(layout="grid"), Body())


def test_cells_are_read_off_the_scene() -> None:
    from random import Random

    from stages.core.clevr import sample_scene
    from stages.core.recipe.games import Games

    games = Games(layout="grid", width=72, height=72, sizes=("large",), objects_min=5, objects_max=5)
    for seed in range(10):
        scene = sample_scene(games, Random(seed))
        things = [thing for thing in cells_of(scene, 3) if thing]
        assert things == [Thing(item.color, item.shape, item.material) for item in scene.objects]
