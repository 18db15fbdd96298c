"""Scripted games: true clues, labels that fit."""

from __future__ import annotations

import random

from stages.core.recipe.game import Game
from stages.init_model.compact import (
    Compact,
    boxed,
    check_lesson,
    check_prompt,
    clue_lesson,
    list_lesson,
    vote_lesson,
)
from stages.init_model.lessons import Pair, ScriptedGame, Thing, View, vote_prompt
from stages.init_model.lessons import scripted_game as script
from stages.init_model.pictures import Album
from stages.init_model.plan import Lessons

EMPTY = (None,) * 6
PAIR = Pair(
    View(0, (Thing("red", "cube"), None, Thing("blue", "sphere"), *EMPTY)),
    View(1, (Thing("green", "sphere"), None, Thing("gray", "cylinder"), *EMPTY)),
)
SURE = Lessons(slips=0, random_votes=0, abstain=1)


def scripted_game(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> ScriptedGame:
    return script(pair, rules, wanted, dice, Compact())


def test_list_names_things_in_reading_order() -> None:
    assert list_lesson(PAIR.original).answer == "red cube . blue sphere"


def test_check_answers_each_claim(rules: Game) -> None:
    lesson = check_lesson(PAIR.original, rules, random.Random(0))
    text = lesson.prompt[0]["content"][-1]["text"]
    claims = [part.split(" : ")[1] for part in text.removesuffix(" . check").split(" . ")]
    assert len(claims) == 8
    assert lesson.answer.split() == ["yes" if claim in PAIR.original.names else "no" for claim in claims]


def test_questions_are_answered_from_the_picture() -> None:
    dice, seen = random.Random(5), set()
    for _ in range(200):
        lesson = Compact().question(PAIR.original, dice)
        words = lesson.prompt[0]["content"][-1]["text"].split()
        seen.add(words[0])
        if words[0] == "exist":
            named = [thing for thing in PAIR.original.names if set(words[1:]) <= set(thing.split())]
            assert lesson.answer == boxed("yes" if named else "no")
        if words[0] == "color":
            assert lesson.answer == boxed({"cube": "red", "sphere": "blue"}[words[1]])
    assert {"exist", "count", "more", "color", "shape"} == seen


def test_a_check_is_a_vote_but_for_the_last_word(rules: Game) -> None:
    said = scripted_game(PAIR, rules, SURE, random.Random(0)).clues
    vote, check = vote_prompt(rules, 1, said)[0]["content"], check_prompt(rules, said)[0]["content"]
    assert vote[:-1] == check[:-1]
    assert vote[-1]["text"].split()[:-1] == check[-1]["text"].split()[:-1]


def test_without_slips_only_the_spy_says_untrue_things(rules: Game, album: Album) -> None:
    dice = random.Random(1)
    for pair in album.pairs:
        game = scripted_game(pair, rules, SURE, dice)
        assert game.liars <= {game.spy}


def test_seats_speak_in_order(rules: Game) -> None:
    game = scripted_game(PAIR, rules, SURE, random.Random(2))
    assert [(clue.clue_round, clue.player) for clue in game.clues] == [(r, p) for r in (1, 2) for p in (1, 2, 3, 4)]


def test_a_clue_names_a_thing_of_the_speakers_own_picture(rules: Game) -> None:
    dice = random.Random(3)
    for _ in range(50):
        lesson = clue_lesson(PAIR, rules, SURE, dice)
        view = (PAIR.original, PAIR.modified)[lesson.picture]
        assert lesson.answer in {boxed(thing) for thing in view.names}


def test_a_sure_vote_names_the_spy(rules: Game) -> None:
    for seed in range(20):
        lesson = vote_lesson(PAIR, rules, SURE, random.Random(seed))
        game = scripted_game(PAIR, rules, SURE, random.Random(seed))
        assert lesson.answer == boxed(str(game.spy))
        assert lesson.picture == PAIR.original.picture


def test_a_vote_abstains_where_nothing_was_untrue(rules: Game) -> None:
    same = Pair(PAIR.original, View(1, PAIR.original.cells))
    assert vote_lesson(same, rules, SURE, random.Random(0)).answer == boxed("N/A")
