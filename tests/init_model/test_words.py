"""The tiny model's tokenizer, processor and prompts."""

from __future__ import annotations

import random
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.core.clevr.questions import KINDS, ask
from stages.core.game.prompting import render, render_prompt
from stages.core.game.readers import UNREADABLE_CLUE, read_clue, read_vote
from stages.core.game.rules import Clue, Deal, Turn
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game
from stages.core.vlm import encode
from stages.init_model.batches import prompt_ids
from stages.init_model.build import build_processor
from stages.init_model.compact import THINGS, boxed
from stages.init_model.lessons import clue_prompt, vote_prompt
from stages.init_model.plan import Body
from stages.init_model.tokenizer import END, IMAGE, SPECIAL, UNKNOWN, WORDS, build_tokenizer


def test_every_word_is_one_token_of_its_own() -> None:
    tokenizer = build_tokenizer()
    assert len(set(WORDS)) == len(WORDS)
    assert [tokenizer(word)["input_ids"] for word in (*SPECIAL, *WORDS)] == [[i] for i in range(len(tokenizer))]


@pytest.mark.parametrize("answer", [*THINGS, "3", "N/A"])
def test_an_answer_survives_encoding_and_decoding(answer: str) -> None:
    tokenizer = build_tokenizer()
    ids = tokenizer(boxed(answer) + END)["input_ids"]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    assert text == boxed(answer)
    assert ids[-1] == tokenizer.eos_token_id


def test_the_games_readers_read_decoded_answers() -> None:
    tokenizer = build_tokenizer()

    def decoded(text: str) -> str:
        return str(tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True))

    assert read_clue(decoded(r"\boxed{red cube}"), 400) == "red cube"
    assert read_vote(decoded(r"\boxed{ 3 }"), 4).seat == 3
    assert read_vote(decoded(r"\boxed{N/A}"), 4).kind == "na"


def test_a_clue_with_strange_signs_becomes_unknown_words_not_an_error() -> None:
    ids = build_tokenizer()("1 : größe=5%, 'red cube' .")["input_ids"]
    assert UNKNOWN in build_tokenizer().convert_ids_to_tokens(ids)


@pytest.mark.parametrize(
    ("role", "spy_view", "voters"), product(["civilian", "spy", "analyst"], ["modified", "blank"], ["a"])
)
def test_the_prompt_set_holds_no_unknown_word(role: str, spy_view: str, voters: str) -> None:
    rules = Game(players=9, clue_rounds=3, prompts="compact", own_thoughts=False)
    game = Deal("g", "p", 0, 9, 3, 2, spy_view, 0)
    said = [Clue(1, 1, "red cube"), Clue(2, 1, UNREADABLE_CLUE)]
    for phase in ("clue", "decision"):
        player = None if role == "analyst" else 3
        turn = Turn(2, phase, role, player, 1 if phase == "clue" else None, 1)  # type: ignore[arg-type]
        if phase == "clue" and player is None:
            continue
        prompt = render_prompt(game, Subject("clevr"), rules, turn, said)
        words = " ".join(part["text"] or "" for part in prompt[0]["content"])
        assert UNKNOWN not in build_tokenizer().tokenize(words)


def test_a_spys_prompt_differs_from_a_civilians(rules: Game) -> None:
    assert clue_prompt(rules, 1, []) != clue_prompt(rules, 2, [])


def test_the_votes_prompt_does_not_tell_the_spy(rules: Game) -> None:
    clues = [Clue(1, 1, "red cube")]
    assert vote_prompt(rules, 1, clues) == vote_prompt(rules, 2, clues)


def test_a_picture_becomes_nine_tokens_and_keeps_its_pixels(rules: Game) -> None:
    processor = build_processor(Body(), build_tokenizer())
    pixels = np.random.default_rng(0).integers(0, 256, (72, 72, 3), dtype=np.uint8)
    out = encode(processor, [clue_prompt(rules, 1, [])], [[Image.fromarray(pixels)]])
    image = processor.tokenizer.convert_tokens_to_ids(IMAGE)
    assert (out["input_ids"] == image).sum() == 9
    np.testing.assert_allclose(out["pixel_values"][0].permute(1, 2, 0), pixels / 127.5 - 1, atol=1e-6)


def test_lessons_are_encoded_as_sampler_and_trainer_encode(rules: Game) -> None:
    processor = build_processor(Body(), build_tokenizer())
    clues = [Clue(seat, 1, "red cube") for seat in range(1, 5)]
    prompts = [clue_prompt(rules, 2, clues[:1]), vote_prompt(rules, 2, clues)]
    picture = Image.new("RGB", (72, 72))
    theirs = encode(processor, prompts, [[picture], [picture]])
    ours = prompt_ids(processor, prompts, 9)
    kept = [row[mask.bool()].tolist() for row, mask in zip(theirs["input_ids"], theirs["attention_mask"], strict=True)]
    assert ours == kept


def test_the_processor_is_the_same_after_saving(tmp_path: Path, rules: Game) -> None:
    from transformers import AutoProcessor

    processor = build_processor(Body(), build_tokenizer())
    processor.save_pretrained(tmp_path)
    again = AutoProcessor.from_pretrained(tmp_path)
    picture = Image.new("RGB", (100, 80), (10, 200, 30))
    prompt = vote_prompt(rules, 2, [Clue(1, 1, "red cube")])
    first, second = (encode(each, [prompt], [[picture]]) for each in (processor, again))
    assert first["input_ids"].tolist() == second["input_ids"].tolist()
    assert first["pixel_values"].equal(second["pixel_values"])


def test_questions_hold_no_unknown_word() -> None:
    dice, tokenizer = random.Random(0), build_tokenizer()
    things = [{"color": "red", "shape": "cube"}, {"color": "blue", "shape": "sphere"}]
    for kind in KINDS:
        for _ in range(50):
            question = ask(kind, things, ("color", "shape"), dice)
            prompt = render("compact", "question", question=question)
            words = " ".join(part["text"] or "" for part in prompt[0]["content"])
            assert UNKNOWN not in tokenizer.tokenize(words + boxed(question.answer))
