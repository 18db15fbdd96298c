"""Prompts of lessons: the game's own renderer with scripted transcripts, and two short ones for learning to see."""

from __future__ import annotations

from collections.abc import Sequence

from stages.core.game.prompting import Message, render_prompt
from stages.core.game.rules import Clue, Deal, Turn
from stages.core.game.subject import Subject
from stages.core.recipe.game import Game

PROMPT_SET = "compact"
SUBJECT = Subject("clevr")


def clue_prompt(rules: Game, spy: int, clues: Sequence[Clue]) -> list[Message]:
    """The prompt of the turn that follows `clues`."""
    game, said = _deal(rules, spy), len(clues)
    player = said % rules.players + 1
    turn = Turn(said, "clue", game.role(player), player, said // rules.players + 1, 1)
    return render_prompt(game, SUBJECT, rules, turn, list(clues))


def vote_prompt(rules: Game, spy: int, clues: Sequence[Clue]) -> list[Message]:
    """The analyst's prompt after all `clues`; `spy` does not show in it."""
    turn = Turn(len(clues), "decision", "analyst", None, None, rules.votes)
    return render_prompt(_deal(rules, spy), SUBJECT, rules, turn, list(clues))


def check_prompt(rules: Game, clues: Sequence[Clue]) -> list[Message]:
    """The analyst's prompt, but for its last word: no turn of the game, only for learning to see."""
    (message,) = vote_prompt(rules, 1, clues)
    *parts, last = message["content"]
    text = last["text"].rsplit(maxsplit=1)[0] + " check"
    return [{"role": "user", "content": [*parts, {"type": "text", "text": text}]}]


def list_prompt() -> list[Message]:
    """Also only for learning to see."""
    return [{"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "list"}]}]


def _deal(rules: Game, spy: int) -> Deal:
    return Deal("lesson", "lesson", 0, rules.players, rules.clue_rounds, spy, rules.spy_view, 0)
