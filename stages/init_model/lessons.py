"""The building blocks of lessons: what a picture shows, and scripted games in the words of a prompt set.

A `Speech` puts them into words: `compact.py` into two words per clue, `english/` into sentences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from stages.core.clevr.questions import KINDS, ask
from stages.core.game.prompting import Message, render, render_prompt
from stages.core.game.rules import Clue, Deal, Turn
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game
from stages.init_model.plan import Lessons

SUBJECT = Subject("clevr")


class Thing(NamedTuple):
    """The object in a cell of a picture."""

    color: str
    shape: str
    material: str = "rubber"

    @property
    def name(self) -> str:
        """`red cube`."""
        return f"{self.color} {self.shape}"


@dataclass(frozen=True)
class View:
    """What one picture shows. `picture` is its row in the pixels, `cells` its things in reading order."""

    picture: int
    cells: tuple[Thing | None, ...]

    @property
    def things(self) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.cells if thing is not None)

    @property
    def names(self) -> tuple[str, ...]:
        """Colour and shape of each thing."""
        return tuple(thing.name for thing in self.things)


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
    """A transcript made up by scripted players. `liars`: the seats that said something untrue of the original."""

    clues: tuple[Clue, ...]
    spy: int
    liars: frozenset[int]


class Speech(Protocol):
    """How lessons are worded."""

    after_decision: int  # tokens of an `exam_lesson` after the deciding one, including the end of the turn

    def random_clue(self, dice: random.Random) -> str:
        """A clue about no picture in particular."""
        ...

    def new_clue(self, view: View, said: Sequence[str], dice: random.Random) -> str:
        """A clue that is true of `view`, and not among those `said` if possible."""
        ...

    def is_true(self, clue: str, view: View) -> bool:
        """Whether a clue, from any player, is true of the picture."""
        ...

    def lesson(self, kind: str, pair: Pair, view: View, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
        """A lesson of a kind in the plan: about the game's `pair`, or about one picture, `view`."""
        ...

    def question(self, view: View, dice: random.Random) -> Lesson:
        """A question about a picture, in the words of the prompt set, with its exact answer."""
        ...

    def exam_lesson(self, pair: Pair, game: ScriptedGame, rules: Game) -> Lesson:
        """A vote, at least up to the token that decides on the spy: the seat, or whether it is right."""
        ...


def scripted_game(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random, speech: Speech) -> ScriptedGame:
    """All clues of a game. Each is true of the speaker's picture, new if possible, and sometimes a slip."""
    spy = dice.randint(1, rules.players)
    clues: list[Clue] = []
    for turn in range(rules.players * rules.clue_rounds):
        player = turn % rules.players + 1
        view = pair.modified if player == spy else pair.original
        slip = dice.random() < wanted.slips
        text = speech.random_clue(dice) if slip else speech.new_clue(view, [clue.text for clue in clues], dice)
        clues.append(Clue(player, turn // rules.players + 1, text))
    liars = frozenset(clue.player for clue in clues if not speech.is_true(clue.text, pair.original))
    return ScriptedGame(tuple(clues), spy, liars)


def question_lesson(
    prompts: str, view: View, attributes: Sequence[str], boxed: Callable[[str], str], dice: random.Random
) -> Lesson:
    """A question about `attributes`, in the words of the prompt set `prompts`, with its exact answer, `boxed`."""
    things = [{name: getattr(thing, name) for name in attributes} for thing in view.things]
    for kind in dice.sample(KINDS, len(KINDS)):
        with suppress(LookupError):  # not every scene allows every kind of question
            question = ask(kind, things, attributes, dice)
            return Lesson(render(prompts, "question", question=question), view.picture, boxed(question.answer))
    raise AssertionError("every scene allows a question of the kind exist")


def clue_prompt(rules: Game, spy: int, clues: Sequence[Clue]) -> list[Message]:
    """The prompt for the turn after `clues`, from the game's own renderer."""
    game, said = _deal(rules, spy), len(clues)
    player = said % rules.players + 1
    turn = Turn(said, "clue", game.role(player), player, said // rules.players + 1, 1)
    return render_prompt(game, SUBJECT, rules, turn, list(clues))


def vote_prompt(rules: Game, spy: int, clues: Sequence[Clue]) -> list[Message]:
    """The analyst's prompt after all `clues`; it does not reveal `spy`."""
    turn = Turn(len(clues), "decision", "analyst", None, None, rules.votes)
    return render_prompt(_deal(rules, spy), SUBJECT, rules, turn, list(clues))


def _deal(rules: Game, spy: int) -> Deal:
    return Deal("lesson", "lesson", 0, rules.players, rules.clue_rounds, spy, rules.spy_view, 0)
