"""Transfer: questions about held-out pictures that are not part of the game and never train."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.clevr import questions
from stages.core.clevr.questions import Drawn
from stages.core.engines import Engine
from stages.core.engines.asking import Ask, ask_all, vote_sampling
from stages.core.game.prompting import render
from stages.core.game.readers import read_clue
from stages.core.game.thinking import read_answer, thinking_tags
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe
from stages.evaluate.intervals import figure
from stages.evaluate.transcripts import POLICIES

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LONGEST_ANSWER = 60  # characters


def draw_questions(pairs: pl.DataFrame, recipe: Recipe) -> list[Drawn]:
    """`evaluate.questions` questions about CLEVR pictures; none if there are no such pictures."""
    settings = recipe.evaluate
    return questions.draw_questions(pairs, settings.questions, settings.question_attributes, recipe.seed, "questions")


def answer(
    drawn: list[Drawn], games: Path, recipe: Recipe, engine: Engine, policies: Sequence[str] = POLICIES
) -> pl.DataFrame:
    """The policies' likeliest answers (`tables.ANSWERS`)."""
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
    for policy in policies:
        sampling, title = vote_sampling(recipe, greedy=True), f"questions to {policy}"
        answers = ask_all(asks, policy, recipe, engine, sampling, title=title)
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
    """An answer in the form for comparing: lower case, without punctuation around it, small numbers as digits."""
    words = unicodedata.normalize("NFKC", answer).casefold().strip(" .!*_'\"`$()[]{}<>")
    return str(_NUMBERS.index(words)) if words in _NUMBERS else words


def transfer_figures(answers: pl.DataFrame) -> dict[str, Any]:
    """Each policy's share of right answers, in total and by kind, and the change from opponent to current."""
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
