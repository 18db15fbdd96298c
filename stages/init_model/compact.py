"""The tiny model's lessons, in the few words of the compact prompt set.

They come in five kinds. `list` and `check` teach the model to see; `ask` teaches the form of the questions that measure
transfer; `clue` and `vote` are the game itself, with transcripts that scripted players make up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from stages.core.game.prompting import Message
from stages.core.game.rules import Clue
from stages.core.recipe.game import Game
from stages.init_model.lessons import (
    Lesson,
    Pair,
    ScriptedGame,
    View,
    clue_prompt,
    question_lesson,
    scripted_game,
    vote_prompt,
)
from stages.init_model.plan import Lessons
from stages.init_model.tokenizer import BOX, BOX_END, COLOURS, NOT_APPLICABLE, SHAPES

PROMPT_SET = "compact"

THINGS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
"""Every `colour shape` that a cell may hold."""


def boxed(answer: str) -> str:
    """The form of every answer in the game."""
    return f"{BOX} {answer} {BOX_END}"


class Compact:
    """Clues of two words."""

    after_decision = 2

    def random_clue(self, dice: random.Random) -> str:
        return dice.choice(THINGS)

    def new_clue(self, view: View, said: Sequence[str], dice: random.Random) -> str:
        new = [thing for thing in view.names if thing not in said]
        return dice.choice(new or view.names)

    def is_true(self, clue: str, view: View) -> bool:
        return clue in view.names

    def lesson(self, kind: str, pair: Pair, view: View, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
        if kind == "list":
            return list_lesson(view)
        if kind == "ask":
            return self.question(view, dice)
        if kind == "check":
            return check_lesson(view, rules, dice)
        teach = clue_lesson if kind == "clue" else vote_lesson
        return teach(pair, rules, wanted, dice)

    def question(self, view: View, dice: random.Random) -> Lesson:
        return question_lesson(PROMPT_SET, view, ("color", "shape"), boxed, dice)

    def exam_lesson(self, pair: Pair, game: ScriptedGame, rules: Game) -> Lesson:
        return Lesson(vote_prompt(rules, game.spy, game.clues), pair.original.picture, boxed(str(game.spy)))


_SPEECH = Compact()


def list_lesson(view: View) -> Lesson:
    """Name every thing, cell by cell."""
    return Lesson(list_prompt(), view.picture, " . ".join(view.names))


def check_lesson(view: View, rules: Game, dice: random.Random) -> Lesson:
    """Is each clue true of the picture? About half are. Most false ones share a colour or a shape with something in it.

    Up to its last word, the prompt equals that of a vote, so that this lesson helps with votes.
    """
    turns = range(rules.players * rules.clue_rounds)
    clues = [Clue(turn % rules.players + 1, turn // rules.players + 1, _claim(view, dice)) for turn in turns]
    answers = ["yes" if clue.text in view.names else "no" for clue in clues]
    return Lesson(check_prompt(rules, clues), view.picture, " ".join(answers))


def clue_lesson(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
    """One turn of a scripted game: name a thing in the player's own picture that nobody has named yet."""
    game = scripted_game(pair, rules, wanted, dice, _SPEECH)
    said = game.clues[: dice.randrange(len(game.clues))]
    view = pair.modified if len(said) % rules.players + 1 == game.spy else pair.original
    answer = _SPEECH.new_clue(view, [clue.text for clue in said], dice)
    return Lesson(clue_prompt(rules, game.spy, said), view.picture, boxed(answer))


def vote_lesson(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
    """Who is the spy? Some answers are random, so that the model stays unsure and RL has work to do."""
    game = scripted_game(pair, rules, wanted, dice, _SPEECH)
    if dice.random() < wanted.random_votes:
        answer = str(dice.randint(1, rules.players))
    elif not game.liars and dice.random() < wanted.abstain:
        answer = NOT_APPLICABLE
    else:
        answer = str(game.spy)
    return Lesson(vote_prompt(rules, game.spy, game.clues), pair.original.picture, boxed(answer))


def _claim(view: View, dice: random.Random) -> str:
    if dice.random() < 0.5:
        return dice.choice(view.names)
    colour, shape = dice.choice(view.names).split()
    near = dice.choice(("other shape", "other colour", "any"))
    if near == "any":
        return dice.choice(THINGS)
    return f"{colour} {dice.choice(SHAPES)}" if near == "other shape" else f"{dice.choice(COLOURS)} {shape}"


def check_prompt(rules: Game, clues: Sequence[Clue]) -> list[Message]:
    """The analyst's prompt with another last word. It is not a turn of the game; it only teaches the model to see."""
    (message,) = vote_prompt(rules, 1, clues)
    *parts, last = message["content"]
    text = last["text"].rsplit(maxsplit=1)[0] + " check"
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def list_prompt() -> list[Message]:
    """A prompt that only teaches the model to see."""
    return [{"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "list"}]}]
