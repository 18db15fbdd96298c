"""The lessons of a pretrained language model, in English.

`list`, `where`, `check` and `ask` teach it to say what it sees; `question` is the form of the questions that measure
transfer; `clue` and `vote` are the game itself, in the words of the prompt set `short`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations

from stages.core.game.prompting import Message
from stages.core.recipe.game import Game
from stages.core.recipe.games import GRID_CELLS
from stages.init_model.english.claims import (
    BRIEF,
    FULL,
    Claim,
    a,
    claims_by_sentence,
    false_claim,
    fits,
    listing,
    noun,
    of,
    random_claim,
    refutation,
    sentence,
    true_claim,
)
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

PROMPT_SET = "short"
_TRIES = 20
_ROWS, _COLUMNS = ("At the back", "In the middle row", "In front"), ("on the left", "in the middle", "on the right")
_CHECKED = 6  # sentences of a `check`
_DESCRIBE = ("Describe the picture.", "What do you see?", "List the objects.", "What is in this picture?")
_ASIDES = ("Nobody has named {}.", "Nobody has mentioned {} yet.", "I can name {}.")
_ECHOES = ("I can name {} again.", "I see {} too.")  # of what was said already
THERE, MISSING = "there", "missing"
_SPY_ASIDES = ("I am the spy, so I name {}.", "They may see {} too.", "I hope that they see {} too.")


def boxed(answer: str) -> str:
    """The form of every answer in the game."""
    return f"\\boxed{{{answer}}}"


class English:
    """Clues are sentences, and every answer of the game begins with a line of thought."""

    after_decision = 1

    def random_clue(self, dice: random.Random) -> str:
        return sentence(random_claim(dice), dice)

    def new_clue(self, view: View, said: Sequence[str], dice: random.Random) -> str:
        return sentence(_new_claim(view, said, dice), dice)

    def is_true(self, clue: str, view: View) -> bool:
        claim = claims_by_sentence().get(clue)
        return claim is not None and claim.is_true(view)

    def lesson(self, kind: str, pair: Pair, view: View, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
        if kind == "clue":
            return clue_lesson(pair, rules, wanted, dice)
        if kind == "vote":
            return vote_lesson(pair, rules, wanted, dice)
        if kind == "question":
            return self.question(view, dice)
        makers: dict[str, Callable[[View, random.Random], Lesson]] = {
            "list": list_lesson,
            "where": where_lesson,
            "check": check_lesson,
            "ask": ask_lesson,
        }
        return makers[kind](view, dice)

    def question(self, view: View, dice: random.Random) -> Lesson:
        return question_lesson(PROMPT_SET, view, FULL, boxed, dice)

    def exam_lesson(self, pair: Pair, game: ScriptedGame, rules: Game) -> Lesson:
        view = pair.original
        said = [listing(view.things, BRIEF), *(_checked(seat, game, view) for seat in range(1, game.spy))]
        until, missing, _ = _checked(game.spy, game, view).partition(MISSING)  # the first clue that gives the spy away
        answer = " ".join([*said, until + missing]).removesuffix(".")
        return Lesson(vote_prompt(rules, game.spy, game.clues), view.picture, answer)


_SPEECH = English()


def caption_lesson(view: View, prompt: str = _DESCRIBE[0]) -> Lesson:
    """Name every thing with all that it is."""
    return _about(view, prompt, listing(view.things, FULL))


def list_lesson(view: View, dice: random.Random) -> Lesson:
    """Name every thing, with or without its material."""
    if dice.random() < 0.5:
        return caption_lesson(view, dice.choice(_DESCRIBE))
    return _about(view, "Name the color and shape of each object.", listing(view.things, BRIEF))


def where_lesson(view: View, dice: random.Random) -> Lesson:
    """Name every thing, row by row."""
    rows = []
    for row, name in enumerate(_ROWS):
        cells = enumerate(view.cells[row * GRID_CELLS : (row + 1) * GRID_CELLS])
        placed = [f"{a(thing.name)} {_COLUMNS[column]}" for column, thing in cells if thing is not None]
        if placed:
            rows.append(f"{name}: {', '.join(placed)}.")
    return _about(view, dice.choice(("Where are the objects?", "Describe the picture row by row.")), "\n".join(rows))


def check_lesson(view: View, dice: random.Random) -> Lesson:
    """List what is there, then look each sentence up in the list. About half are true."""
    claims = [true_claim(view, dice) if dice.random() < 0.5 else false_claim(view, dice) for _ in range(_CHECKED)]
    asked = "\n".join(f"{number}: “{sentence(claim, dice)}”" for number, claim in enumerate(claims, 1))
    found = [f"{number}: {_looked_up(claim, view)}." for number, claim in enumerate(claims, 1)]
    answer = "\n".join([listing(view.things, BRIEF), *found])
    return _about(view, f"Is each sentence true of the picture?\n{asked}", answer)


def ask_lesson(view: View, dice: random.Random) -> Lesson:
    """A question in everyday words, answered in a sentence."""
    if dice.random() < 0.5:
        return attribute_lesson(view, dice)
    claim = true_claim(view, dice) if dice.random() < 0.5 else false_claim(view, dice)
    answer = "True." if claim.is_true(view) else f"False, {refutation(claim)}."
    return _about(view, f"True or false: {sentence(claim, dice)}", answer)


def attribute_lesson(view: View, dice: random.Random) -> Lesson:
    """What color, shape or material a thing has that another attribute, or two, pick out."""
    found = [
        (asked, wanted)
        for thing in view.things
        for asked in FULL
        for names in combinations([name for name in FULL if name != asked], 1 + (dice.random() < 0.5))
        if sum(fits(each, wanted := of(thing, names)) for each in view.things) == 1
    ]
    if not found:
        return caption_lesson(view)
    asked, wanted = dice.choice(found)
    (thing,) = (each for each in view.things if fits(each, wanted))
    value = getattr(thing, asked)
    answer = f"It is {a(value)}." if asked == "shape" else f"The {noun(wanted)} is {value}."
    return _about(view, f"What {asked} is the {noun(wanted)}?", answer)


def clue_lesson(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
    """One turn of a scripted game: list what is there, then say something true that was not yet said."""
    game = scripted_game(pair, rules, wanted, dice, _SPEECH)
    said = game.clues[: dice.randrange(len(game.clues))]
    spy = len(said) % rules.players + 1 == game.spy
    view = pair.modified if spy else pair.original
    texts = [clue.text for clue in said]
    claim, known = _new_claim(view, texts, dice), _claims_in(texts)
    asides = _SPY_ASIDES if spy else _ECHOES if claim in known else _ASIDES
    thought = f"{listing(view.things, BRIEF)} {dice.choice(asides).format(f'the {noun(claim.wanted)}')}"
    return Lesson(clue_prompt(rules, game.spy, said), view.picture, f"{thought} {boxed(sentence(claim, dice))}")


def vote_lesson(pair: Pair, rules: Game, wanted: Lessons, dice: random.Random) -> Lesson:
    """List what is there, look each clue up in the list, say who is wrong, then vote. Some votes are drawn at random.

    Only the vote itself is random: what stands before it is always right, so that it can be learned without noise.
    """
    game = scripted_game(pair, rules, wanted, dice, _SPEECH)
    view, suspect = pair.original, _suspect(game, rules, wanted, dice)
    said = [listing(view.things, BRIEF), *(_checked(seat, game, view) for seat in range(1, rules.players + 1))]
    answer = " ".join([*said, _concluded(sorted(game.liars)), boxed("N/A" if suspect is None else str(suspect))])
    return Lesson(vote_prompt(rules, game.spy, game.clues), view.picture, answer)


def _checked(seat: int, game: ScriptedGame, view: View) -> str:
    """`Player 2: the red cube is there, the blue sphere is missing, so player 2 is wrong.`"""
    said = [claims_by_sentence()[clue.text] for clue in game.clues if clue.player == seat]
    found = ", ".join(_looked_up(claim, view) for claim in said)
    verdict = "wrong" if seat in game.liars else "right"
    return f"Player {seat}: {found}, so player {seat} is {verdict}."


def _looked_up(claim: Claim, view: View) -> str:
    """`the red cube is there`: the claim comes before the verdict, so the model has just read what it looks up."""
    return f"the {noun(claim.wanted)} is {THERE if claim.is_true(view) else MISSING}"


def _concluded(liars: Sequence[int]) -> str:
    """`So player 2 is wrong.`: the vote then only has to repeat a number."""
    if len(liars) > 1:
        return f"So players {', '.join(map(str, liars[:-1]))} and {liars[-1]} are wrong."
    return f"So player {liars[0]} is wrong." if liars else "So nobody is wrong."


def _suspect(game: ScriptedGame, rules: Game, wanted: Lessons, dice: random.Random) -> int | None:
    """The seat to vote for; None to abstain."""
    if dice.random() < wanted.random_votes:
        return dice.randint(1, rules.players)
    if game.liars:
        return game.spy if game.spy in game.liars else dice.choice(sorted(game.liars))
    return None if dice.random() < wanted.abstain else game.spy


def _new_claim(view: View, said: Sequence[str], dice: random.Random) -> Claim:
    known = _claims_in(said)
    for _ in range(_TRIES):
        claim = true_claim(view, dice)
        if claim not in known:
            return claim
    return claim


def _claims_in(said: Sequence[str]) -> set[Claim]:
    return {claims_by_sentence()[text] for text in said if text in claims_by_sentence()}


def _about(view: View, text: str, answer: str) -> Lesson:
    parts: list[Message] = [{"type": "image", "text": None}, {"type": "text", "text": text}]
    return Lesson([{"role": "user", "content": parts}], view.picture, answer)
