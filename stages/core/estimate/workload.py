"""A round's work: the tokens of its prompts and answers, counted on one game's prompts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from stages.core.errors import InputError, VzError
from stages.core.game.prompting import Message, render_prompt
from stages.core.game.rules import Clue, Deal, next_turns
from stages.core.game.subject import Subject
from stages.core.recipe import Recipe
from stages.core.vlm.size import ModelSize

CHARACTERS = 4  # of English text per token in common vocabularies, if the tokenizer is not available
ANSWER = 0.5  # length of an answer as a share of its limit, if it was not measured
WORDS = "a small red cube is left of the large metal sphere, and "  # text of the clues


@dataclass(frozen=True)
class Look:
    """The tokens of one picture."""

    tokens: int  # in the language model
    patches: int  # in the vision tower


@dataclass(frozen=True)
class Phase:
    """A game's prompts and answers in turns of one kind: clues, or votes."""

    rows: int  # answers
    prompt: float  # mean tokens of a prompt, including its picture
    tree: float  # tokens of all prompts in a game, counting shared beginnings once
    longest: int  # tokens of the longest prompt
    answer: float  # mean tokens of an answer
    limit: int  # most tokens of an answer


@dataclass(frozen=True)
class Workload:
    """A game in tokens, and how they were counted."""

    clues: Phase
    votes: Phase
    look: Look
    pictures: int  # different pictures in a game
    turns: int  # clue turns, one after another
    known: str  # how tokens were counted

    def with_answers(self, clue: float, vote: float) -> Workload:
        """The workload with measured mean lengths of answers."""
        clues, votes = (
            Phase(**{**vars(phase), "answer": mean}) for phase, mean in ((self.clues, clue), (self.votes, vote))
        )
        return Workload(**{**vars(self), "clues": clues, "votes": votes, "known": "answers as in the preflight"})


def workload_of(recipe: Recipe, size: ModelSize, place: str | Path) -> Workload:
    """The tokens of one game, counted with the model's own processor if available, else by characters and patches."""
    tokens, look, known = _counting(recipe, size, place)
    rules = recipe.game
    prompts = _prompts(recipe)
    blank = "blank picture" if rules.spy_view == "blank" else "modified picture"
    clue_rows = [(blank if role == "spy" else "original", text) for role, phase, text in prompts if phase == "clue"]
    vote_rows = [("original", text) for _, phase, text in prompts if phase != "clue"]
    cast = rules.votes if rules.voters == "analyst" else rules.votes_per_civilian
    return Workload(
        _phase(clue_rows, tokens, look, recipe, "clue", 1),
        _phase(vote_rows, tokens, look, recipe, "decision", cast),
        look,
        2,
        len(clue_rows),
        known,
    )


def _phase(
    rows: Sequence[tuple[str, str]],
    tokens: Callable[[str], float],
    look: Look,
    recipe: Recipe,
    phase: str,
    samples: int,
) -> Phase:
    lengths = [tokens(text) + look.tokens for _, text in rows]
    limit = recipe.rollout.longest(phase)
    return Phase(
        len(rows) * samples,
        sum(lengths) / len(lengths),
        _tree(rows, tokens, look),
        round(max(lengths)),
        ANSWER * limit,
        limit,
    )


def _tree(rows: Sequence[tuple[str, str]], tokens: Callable[[str], float], look: Look) -> float:
    """Tokens of all prompts, counting each shared beginning once. Prompts with different pictures share nothing."""
    total = 0.0
    for picture in {picture for picture, _ in rows}:
        texts = sorted(text for shown, text in rows if shown == picture)
        total += tokens(texts[0]) + look.tokens
        total += sum(tokens(text[_shared(before, text) :]) for before, text in pairwise(texts) if text != before)
    return total


def _shared(one: str, other: str) -> int:
    """Number of characters at the start that both texts share."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (here, there) in pairs if here != there), min(len(one), len(other)))


def _prompts(recipe: Recipe) -> list[tuple[str, str, str]]:
    """Role, phase and text of every prompt in a game whose answers have `ANSWER` of their limit, half of it a clue."""
    rules = recipe.game
    deal = Deal("", "", 0, rules.players, rules.clue_rounds, 1, rules.spy_view, 0)
    subject = Subject.of(
        {"domain": recipe.games.domain or "clevr", "changes": [], "scene": None, "modified_scene": None}
    )
    said: list[Clue] = []
    found: list[tuple[str, str, str]] = []
    while True:
        turns = next_turns(deal, rules, len(said))
        for turn in turns:
            messages = render_prompt(deal, subject, rules, turn, said)
            found.append((turn.role, turn.phase, _text(messages)))
        turn = turns[0]
        if turn.phase != "clue":
            return found
        answer = round(ANSWER * recipe.rollout.longest("clue") * CHARACTERS)
        clue, thought = _words(min(rules.clue_chars, answer) // 2), _words(min(rules.own_thoughts_chars, answer))
        said.append(Clue(turn.player or 0, turn.clue_round or 0, clue, thought))


def _words(characters: int) -> str:
    return (WORDS * (characters // len(WORDS) + 1))[: max(1, characters)]


def _text(messages: Sequence[Message]) -> str:
    return "\n".join(part["text"] for message in messages for part in message["content"] if part["type"] == "text")


def _counting(recipe: Recipe, size: ModelSize, place: str | Path) -> tuple[Callable[[str], float], Look, str]:
    """A token counter, the tokens of a picture, and how they were found."""
    picture = Image.new("RGB", (recipe.games.width, recipe.games.height))
    try:
        processor, shown, text = _shown(recipe, place, picture)
    except (InputError, VzError, OSError):
        return (
            lambda words: len(words) / CHARACTERS,
            _guessed(size, picture.size, recipe),
            (f"{CHARACTERS} characters per token, since the processor is not available"),
        )
    values = shown.pictures.get("pixel_values")
    patches = values.numel() // size.patch if values is not None and size.patch else 0
    tokenizer: Any = processor.tokenizer
    return (
        lambda words: len(tokenizer(words, add_special_tokens=False)["input_ids"]),
        Look(len(shown.ids) - text, patches),
        "by the model's own tokenizer",
    )


def _shown(recipe: Recipe, place: str | Path, picture: Image.Image) -> tuple[Any, Any, int]:
    from stages.core import vlm

    processor = vlm.load_processor(place, recipe.model)
    parts: list[dict[str, Any]] = [{"type": "text", "text": "Look."}, {"type": "image", "text": None}]
    shown = vlm.encode_one(processor, [{"role": "user", "content": parts}], [picture])
    text = vlm.encode_one(processor, [{"role": "user", "content": parts[:1]}], [])
    return processor, shown, len(text.ids)


def _guessed(size: ModelSize, picture: tuple[int, int], recipe: Recipe) -> Look:
    """A picture's tokens by the configuration: a grid of its own size (Qwen-VL), or the same grid for all."""
    grid = size.grid
    if grid.side is None:
        pixels = picture[0] * picture[1]
        fitting = min(max(pixels, recipe.model.min_pixels or 0), recipe.model.max_pixels or pixels)
        tokens = fitting / (grid.patch * grid.merge) ** 2
        return Look(round(tokens), round(tokens * grid.merge**2))
    patches = (grid.side // grid.patch) ** 2 * grid.tiles
    return Look(round(patches / grid.merge**2), patches)
