"""A model that judges clues: it reads a text description of the picture, and answers true, false or cannot tell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stages.core.engines import Engine, Sampling
from stages.core.engines.asking import Ask, ask_all
from stages.core.game.prompting import fill
from stages.core.game.quoting import quoted
from stages.core.game.readers import read_clue
from stages.core.game.thinking import read_answer, thinking_tags
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_folder
from stages.evaluate.held_out import load

JUDGE = "judge"  # the policy's name in the engine
READS = ("clevr", "chart")  # domains whose scenes describe everything in a picture
ANSWERS = ("true", "false", "cannot tell")
UNREADABLE = "unreadable"

Question = tuple[str, str, str]  # domain, scene (JSON), clue


def judge_place(recipe: Recipe) -> str | Path | None:
    """The place of the model in `evaluate.judge`; None if the recipe names none."""
    name = recipe.evaluate.judge
    return None if name is None else place_of(recipe.model.path if name == "base" else name)


def judge_prompt(recipe: Recipe) -> Path:
    """The template: the recipe's prompt set's `judge.j2` if it has one, otherwise vz's own."""
    own = prompt_folder(recipe.game.prompts) / "judge.j2"
    return own if own.is_file() else Path(__file__).with_name("judge.j2")


def judge(
    questions: Iterable[Question], recipe: Recipe, engine: Engine, place: str | Path
) -> tuple[dict[Question, str], dict[str, int]]:
    """The judge's likeliest reply to each distinct question, one of `ANSWERS` or `UNREADABLE`; and the cost."""
    asked = sorted(set(questions))
    asks = [Ask(f"judge {number}", [_message(ask_for(recipe, one))], []) for number, one in enumerate(asked)]
    sampling = Sampling(0.0, 1.0, recipe.evaluate.judge_tokens, 0, 1.0)
    before = engine.tally.copy()
    load(engine, JUDGE, place)
    try:
        answers = ask_all(asks, JUDGE, recipe, engine, sampling, title="judging clues")
    finally:
        engine.unload(JUDGE)
    tags = thinking_tags(recipe.model)
    replies = {
        question: read_reply(read_answer(completion.text, tags).said, completion.truncated)
        for question, (completion,) in zip(asked, answers, strict=True)
    }
    spent = asdict(engine.tally.since(before))
    return replies, {name: spent[name] for name in ("completions", "tokens_in", "tokens_out")}


def ask_for(recipe: Recipe, question: Question) -> str:
    """The prompt that asks a question."""
    return fill(judge_prompt(recipe), **_facts(*question)).strip()


def read_reply(text: str, truncated: bool = False) -> str:
    """The answer in the last box; anything but exactly one of `ANSWERS` is unreadable."""
    box = (read_clue(text, 40, truncated) or "").casefold().replace("can't", "cannot")
    return box if box in ANSWERS else UNREADABLE


def _message(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def _facts(domain: str, scene: str, clue: str) -> dict[str, Any]:
    """The template's variables."""
    facts = {"domain": domain, "scene": json.loads(scene), "clue": quoted(clue)}
    if domain != "clevr":
        return facts
    things, beside = facts["scene"]["objects"], facts["scene"]["relationships"]
    orders = {
        name: sorted(range(1, len(things) + 1), key=lambda number: len(beside[side][number - 1]))
        for name, side in (("left_to_right", "left"), ("front_to_back", "front"))
    }
    return {**facts, "things": things, **orders}
