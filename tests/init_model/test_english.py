"""Lessons in English: true claims, labels that fit, answers that the game's readers and the clue checker read."""

from __future__ import annotations

import random
import re

import pytest

from stages.core.clevr import sample_scene
from stages.core.clevr.scene_json import to_json
from stages.core.game.readers import read_clue, read_vote
from stages.core.recipe import load
from stages.core.recipe.game import Game
from stages.evaluate.checker import check
from stages.init_model.english import English
from stages.init_model.english.claims import (
    Claim,
    claims_by_sentence,
    false_claim,
    listing,
    refutation,
    sentence,
    true_claim,
)
from stages.init_model.english.lessons import attribute_lesson, check_lesson, clue_lesson, vote_lesson, where_lesson
from stages.init_model.lessons import Pair, Thing, View, scripted_game
from stages.init_model.pictures import Album, cells_of
from stages.init_model.plan import ENGLISH, Lessons

SURE = Lessons(slips=0, random_votes=0, abstain=1)
RED, BLUE, CYAN = Thing("red", "cube", "metal"), Thing("blue", "sphere"), Thing("cyan", "cylinder")
VIEW = View(0, (RED, None, BLUE, None, None, None, None, CYAN, None))


@pytest.fixture
def english_rules() -> Game:
    return Game(players=4, clue_rounds=2, prompts="short", own_thoughts=False)


def test_claims_say_what_they_mean() -> None:
    cube = (("color", "red"), ("shape", "cube"))
    assert claims_by_sentence()["There is a red cube."] == Claim(cube)
    assert claims_by_sentence()["I see a cyan object."] == Claim((("color", "cyan"),))
    assert Claim(cube).is_true(VIEW) and Claim((("shape", "cylinder"),)).is_true(VIEW)
    assert not Claim((("color", "red"), ("shape", "sphere"))).is_true(VIEW)
    assert refutation(Claim((("color", "gray"), ("shape", "cube")))) == "I see no gray cube"
    assert listing([BLUE, RED, CYAN], ("color", "shape")) == "I see a blue sphere, a red cube and a cyan cylinder."


def test_the_clue_checker_agrees_with_every_claim() -> None:
    games, dice = load("smollm2").games, random.Random(3)
    for seed in range(12):
        scene = sample_scene(games, random.Random(seed))
        view = View(0, cells_of(scene, 3))
        for claim in (true_claim(view, dice), false_claim(view, dice)):
            assert check(sentence(claim, dice), to_json(scene)).truth is claim.is_true(view)


def test_false_claims_are_mostly_near_misses() -> None:
    dice = random.Random(8)
    claims = [false_claim(VIEW, dice) for _ in range(200)]
    assert not any(claim.is_true(VIEW) for claim in claims)
    colors = [dict(claim.wanted).get("color") for claim in claims]
    assert sum(color in {"red", "blue", "cyan"} for color in colors) > 110  # of random claims, three in eight


def test_checks_list_the_picture_and_answer_one_by_one() -> None:
    lesson = check_lesson(VIEW, random.Random(4))
    asked = [claims_by_sentence()[each] for each in re.findall("“(.*)”", lesson.prompt[0]["content"][-1]["text"])]
    seen, *verdicts = lesson.answer.splitlines()
    assert seen == listing(VIEW.things, ("color", "shape"))
    assert [verdict.split()[-1] for verdict in verdicts] == [
        "there." if claim.is_true(VIEW) else "missing." for claim in asked
    ]
    assert {claim.is_true(VIEW) for claim in asked} == {True, False}


def test_places_and_attributes_are_those_of_the_picture() -> None:
    where = "At the back: a red cube on the left, a blue sphere on the right.\nIn front: a cyan cylinder in the middle."
    assert where_lesson(VIEW, random.Random(0)).answer == where
    for seed in range(30):
        lesson = attribute_lesson(VIEW, random.Random(seed))
        found = re.fullmatch(r"What (\w+) is the (.*)\?", lesson.prompt[0]["content"][-1]["text"])
        assert found
        words = set(found[2].split()) - {"object"}
        (thing,) = (each for each in VIEW.things if words <= set(each))
        assert getattr(thing, found[1]) in lesson.answer


def test_answers_of_the_game_can_be_read(english_rules: Game, album: Album) -> None:
    speech, dice = English(), random.Random(5)
    for pair in album.pairs[:12]:
        clue = clue_lesson(pair, english_rules, SURE, dice)
        said = read_clue(clue.answer, english_rules.clue_chars)
        shown = (pair.original, pair.modified)[clue.picture % 2]
        assert said is not None and speech.is_true(said, shown)
        assert clue.answer.startswith(listing(shown.things, ("color", "shape")))
        vote = vote_lesson(pair, english_rules, SURE, dice)
        assert read_vote(vote.answer, 4).kind in {"seat", "na"}


def test_a_sure_vote_follows_its_own_words(english_rules: Game, album: Album) -> None:
    named = 0
    for seed in range(20):
        pair = album.pairs[seed]
        game = scripted_game(pair, english_rules, SURE, random.Random(seed), English())
        answer = vote_lesson(pair, english_rules, SURE, random.Random(seed)).answer
        vote = read_vote(answer, 4)
        assert vote.seat == (game.spy if game.liars else None)
        assert {int(seat) for seat in re.findall(r"so player (\d) is wrong", answer)} == set(game.liars)
        assert answer.count("so player") == 4
        named += vote.kind == "seat"
    assert named > 0


def test_every_kind_of_lesson_can_be_made(english_rules: Game, album: Album) -> None:
    dice, pair = random.Random(6), album.pairs[0]
    kinds = {kind for course in (ENGLISH.see, ENGLISH.vote, ENGLISH.settle) for kind in course.mix}
    for kind in sorted(kinds):
        lesson = English().lesson(kind, pair, pair.original, english_rules, ENGLISH.lessons, dice)
        assert lesson.answer and sum(part["type"] == "image" for part in lesson.prompt[0]["content"]) == 1
    game = scripted_game(pair, english_rules, SURE, dice, English())
    verdict = "missing" if game.spy in game.liars else f"so player {game.spy} is right"
    assert English().exam_lesson(pair, game, english_rules).answer.endswith(f" {verdict}")


def test_a_scene_of_one_thing_can_be_taught() -> None:
    view = View(0, (RED, *(None,) * 8))
    assert listing(view.things, ("color", "shape")) == "I see a red cube."
    assert not false_claim(view, random.Random(0)).is_true(view)
    assert Pair(view, view).original.names == ("red cube",)
