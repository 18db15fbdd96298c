"""What the tiny model is taught: prompts with right answers, made from the scenes behind the pictures.

Five kinds. `list` and `check` teach it to see; `ask` teaches the form of the questions that measure transfer; `clue`
and `vote` are the game itself, in the words of the compact prompt set and with transcripts that scripted players make
up.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from stages.core.clevr.questions import KINDS, ask
from stages.core.game.prompting import Message, render, render_prompt
from stages.core.game.rules import Clue, Deal, Turn
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game
from stages.init_model.plan import Lessons
from stages.init_model.tokenizer import BOX, BOX_END, COLOURS, NOT_APPLICABLE, SHAPES

PROMPT_SET = "compact"
SUBJECT = Subject("clevr")

THINGS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
"""Every `colour shape` that a cell may hold."""


@dataclass(frozen=True)
class View:
    """What one picture shows. `picture` is its row among the pixels, `cells` its things in reading order."""

    picture: int
    cells: tuple[str | None, ...]

    @property
    def things(self) -> tuple[str, ...]:
        return tuple(thing for thing in self.cells if thing is not None)


@dataclass(frozen=True)
class Pair:
    """What the civilians see and what the spy sees."""

    original: View
    modified: View


@dataclass(frozen=True)
class Lesson:
    """A prompt, the row of the picture in it, and the answer to learn."""

    prompt: list[Message]
    picture: int
    answer: str


@dataclass(frozen=True)
class ScriptedGame:
    """A transcript that scripted players made up. `liars`: the seats that said something untrue of the original."""

    clues: tuple[Clue, ...]
    spy: int
    liars: frozenset[int]


def boxed(answer: str) -> str:
    """The form of every answer in the game."""
    return f"{BOX} {answer} {BOX_END}"


def list_lesson(view: View) -> Lesson:
    """Name every thing, cell by cell."""
    return Lesson(list_prompt(), view.picture, " . ".join(view.things))


def check_lesson(view: View, rules: Game, dice: random.Random) -> Lesson:
    """Is each clue true of the picture? About half are; a false one mostly shares a colour or a shape.

    Up to its last word the prompt is that of a vote, so that what is learned here is at hand there.
    """
    turns = range(rules.players * rules.clue_rounds)
    clues = [Clue(turn % rules.players + 1, turn // rules.players + 1, _claim(view, dice)) for turn in turns]
    answers = ["yes" if clue.text in view.things else "no" for clue in clues]
    return Lesson(check_prompt(rules, clues), view.picture, " ".join(answers))


def ask_lesson(view: View, dice: random.Random) -> Lesson:
    """A question with an exact answer, in the words of the prompt set."""
    things = [dict(zip(("color", "shape"), thing.split(), strict=True)) for thing in view.things]
    for kind in dice.sample(KINDS, len(KINDS)):
        with suppress(LookupError):  # not every scene has something to ask of every kind
            question = ask(kind, things, ("color", "shape"), dice)
            return Lesson(render(PROMPT_SET, "question", question=question), view.picture, boxed(question.answer))
    raise AssertionError("every scene can be asked whether something is there")


def clue_lesson(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
    """One turn of a scripted game: name a thing of one's own picture that was not yet named."""
    game = scripted_game(pair, rules, wanted, dice)
    said = game.clues[: dice.randrange(len(game.clues))]
    view = pair.modified if len(said) % rules.players + 1 == game.spy else pair.original
    answer = _new_thing(view, [clue.text for clue in said], dice)
    return Lesson(clue_prompt(rules, game.spy, said), view.picture, boxed(answer))


def vote_lesson(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
    """Who is the spy? Some answers are drawn at random, so that the model stays unsure and RL has work to do."""
    game = scripted_game(pair, rules, wanted, dice)
    if dice.random() < wanted.random_votes:
        answer = str(dice.randint(1, rules.players))
    elif not game.liars and dice.random() < wanted.abstain:
        answer = NOT_APPLICABLE
    else:
        answer = str(game.spy)
    return Lesson(vote_prompt(rules, game.spy, game.clues), pair.original.picture, boxed(answer))


def scripted_game(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> ScriptedGame:
    """All clues of a game: each names a thing of the speaker's picture, new if there is one, sometimes a slip."""
    spy = dice.randint(1, rules.players)
    clues: list[Clue] = []
    for turn in range(rules.players * rules.clue_rounds):
        player = turn % rules.players + 1
        view = pair.modified if player == spy else pair.original
        slip = dice.random() < wanted.slips
        text = dice.choice(THINGS) if slip else _new_thing(view, [clue.text for clue in clues], dice)
        clues.append(Clue(player, turn // rules.players + 1, text))
    liars = frozenset(clue.player for clue in clues if clue.text not in pair.original.things)
    return ScriptedGame(tuple(clues), spy, liars)


def _claim(view: View, dice: random.Random) -> str:
    if dice.random() < 0.5:
        return dice.choice(view.things)
    colour, shape = dice.choice(view.things).split()
    near = dice.choice(("other shape", "other colour", "any"))
    if near == "any":
        return dice.choice(THINGS)
    return f"{colour} {dice.choice(SHAPES)}" if near == "other shape" else f"{dice.choice(COLOURS)} {shape}"


def _new_thing(view: View, said: Sequence[str], dice: random.Random) -> str:
    new = [thing for thing in view.things if thing not in said]
    return dice.choice(new or view.things)


def clue_prompt(rules: Game, spy: int, clues: Sequence[Clue]) -> list[Message]:
    """The prompt of the turn after `clues`, from the game's own renderer."""
    game, said = _deal(rules, spy), len(clues)
    player = said % rules.players + 1
    turn = Turn(said, "clue", game.role(player), player, said // rules.players + 1, 1)
    return render_prompt(game, SUBJECT, rules, turn, list(clues))


def vote_prompt(rules: Game, spy: int, clues: Sequence[Clue]) -> list[Message]:
    """The analyst's prompt after all `clues`; `spy` does not show in it."""
    turn = Turn(len(clues), "decision", "analyst", None, None, rules.votes)
    return render_prompt(_deal(rules, spy), SUBJECT, rules, turn, list(clues))


def check_prompt(rules: Game, clues: Sequence[Clue]) -> list[Message]:
    """The analyst's prompt with another last word. It is no turn of the game; it only teaches to see."""
    (message,) = vote_prompt(rules, 1, clues)
    *parts, last = message["content"]
    text = last["text"].rsplit(maxsplit=1)[0] + " check"
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def list_prompt() -> list[Message]:
    """It only teaches to see."""
    return [{"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "list"}]}]


def _deal(rules: Game, spy: int) -> Deal:
    return Deal("lesson", "lesson", 0, rules.players, rules.clue_rounds, spy, rules.spy_view, 0)
