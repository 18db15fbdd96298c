"""Transfer: questions about held-out pictures that are not part of the game and never train."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.clevr.questions import KINDS, Question, ask
from stages.core.engines import Engine
from stages.core.game.prompting import render
from stages.core.game.readers import read_clue
from stages.core.game.thinking import read_answer, thinking_tags
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.evaluate.asking import Ask, ask_all, vote_sampling
from stages.evaluate.intervals import figure
from stages.evaluate.transcripts import POLICIES

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LONGEST_ANSWER = 60  # characters

Drawn = tuple[str, str, str, Question]  # question id, pair id, picture, question


def draw_questions(pairs: pl.DataFrame, recipe: Recipe) -> list[Drawn]:
    """`evaluate.questions` questions about CLEVR pictures, kinds and pictures by turns; none without such pictures."""
    pictures = [
        (row["pair_id"], row[name], json.loads(row[scene])["objects"])
        for row in pairs.filter(pl.col("domain") == "clevr").sort("pair_id").iter_rows(named=True)
        for name, scene in (("original", "scene"), ("modified", "modified_scene"))
        if row[scene] is not None
    ]
    drawn: list[Drawn] = []
    tries = 0
    while pictures and len(drawn) < recipe.evaluate.questions and tries < 20 * recipe.evaluate.questions:
        number, kind = f"q{tries:06d}", KINDS[len(drawn) % len(KINDS)]
        pair_id, picture, things = pictures[tries % len(pictures)]
        tries += 1
        try:
            question = ask(kind, things, recipe.evaluate.question_attributes, rng(recipe.seed, "questions", number))
        except LookupError:
            continue  # there is no question of this kind about this scene
        drawn.append((number, pair_id, picture, question))
    return drawn


def answer(drawn: list[Drawn], games: Path, recipe: Recipe, engine: Engine) -> pl.DataFrame:
    """Both policies' likeliest answers (`tables.ANSWERS`)."""
    hashes = picture_hashes(games)
    asks = [
        Ask(
            number,
            render(recipe.game.prompts, "question", question=question),
            [Picture(games, picture, hashes[picture])],
        )
        for number, _, picture, question in drawn
    ]
    rows: list[dict[str, object]] = []
    tags = thinking_tags(recipe.model)
    for policy in POLICIES:
        answers = ask_all(asks, policy, recipe, engine, vote_sampling(recipe, greedy=True))
        for (number, pair_id, picture, question), (completion,) in zip(drawn, answers, strict=True):
            given = read_clue(read_answer(completion.text, tags).said, _LONGEST_ANSWER, completion.truncated)
            rows.append(
                {
                    "question_id": number,
                    "pair_id": pair_id,
                    "picture": picture,
                    "kind": question.kind,
                    "question": question.text,
                    "answer": question.answer,
                    "chance": 1 / len(question.choices),
                    "policy": policy,
                    "given": given,
                    "correct": given is not None and plain(given) == question.answer,
                }
            )
    return tables.from_rows(rows, tables.ANSWERS)


def plain(answer: str) -> str:
    """An answer as it is compared: lower case, without punctuation around it, small numbers as digits."""
    words = unicodedata.normalize("NFKC", answer).casefold().strip(" .!*_'\"`$()[]{}<>")
    return str(_NUMBERS.index(words)) if words in _NUMBERS else words


def transfer_figures(answers: pl.DataFrame) -> dict[str, Any]:
    """Each policy's share of right answers, in all and by kind, and the change from opponent to current."""
    wide = answers.pivot(on="policy", index=["question_id", "pair_id", "kind"], values="correct").sort("question_id")
    change = wide["current"].cast(pl.Int32) - wide["opponent"].cast(pl.Int32)
    figures: dict[str, Any] = {"questions": len(wide), "chance": answers["chance"].mean()}
    for policy in POLICIES:
        figures[policy] = {
            **figure("right", wide[policy], wide["pair_id"]),
            **dict(wide.group_by("kind").agg(pl.col(policy).mean()).sort("kind").iter_rows()),
            "unreadable": answers.filter(pl.col("policy") == policy)["given"].is_null().mean(),
        }
    return {**figures, **figure("change", change, wide["pair_id"], least=-1.0)}
