"""Transfer: questions about held-out pictures that are no part of the game and never train."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.clevr.questions import KINDS, Question, ask
from stages.core.engines import Engine
from stages.core.game.prompting import render_aside
from stages.core.game.readers import read_clue
from stages.core.game.thinking import read_answer, thinking_tags
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe
from stages.core.seeds import rng
from stages.evaluate.asking import Ask, ask_all
from stages.evaluate.figures import figure
from stages.evaluate.scenes import of_clevr
from stages.evaluate.transcripts import POLICIES

_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def draw_questions(pairs: pl.DataFrame, recipe: Recipe) -> list[tuple[str, str, str, Question]]:
    """(question id, pair id, picture, question): kinds and pictures by turns, `evaluate.questions` in all.

    Only pairs with scenes can be asked about; none at all gives none.
    """
    pictures = [
        (row["pair_id"], row[name], json.loads(row[scene])["objects"])
        for row in of_clevr(pairs).sort("pair_id").iter_rows(named=True)
        for name, scene in (("original", "scene"), ("modified", "modified_scene"))
        if row[scene] is not None
    ]
    drawn: list[tuple[str, str, str, Question]] = []
    tries = 0
    while pictures and len(drawn) < recipe.evaluate.questions and tries < 20 * recipe.evaluate.questions:
        number, kind = f"q{tries:06d}", KINDS[len(drawn) % len(KINDS)]
        pair_id, picture, things = pictures[tries % len(pictures)]
        tries += 1
        try:
            question = ask(kind, things, recipe.evaluate.question_attributes, rng(recipe.seed, "questions", number))
        except LookupError:
            continue  # this scene has nothing to ask of that kind; the next one is asked
        drawn.append((number, pair_id, picture, question))
    return drawn


def answer(drawn: list[tuple[str, str, str, Question]], games: Path, recipe: Recipe, engine: Engine) -> pl.DataFrame:
    """Both policies' likeliest answers (`tables.ANSWERS`)."""
    hashes = picture_hashes(games)
    asks = [
        Ask(
            number,
            render_aside(recipe.game.prompts, "question", question=question),
            [Picture(games, picture, hashes[picture])],
        )
        for number, _, picture, question in drawn
    ]
    rows: list[dict[str, object]] = []
    tags = thinking_tags(recipe.model)
    for policy in POLICIES:
        answers = ask_all(asks, policy, recipe, engine, samples=1, greedy=True)
        for (number, pair_id, picture, question), (completion,) in zip(drawn, answers, strict=True):
            given = read_clue(read_answer(completion.text, tags).said, 60, completion.truncated)
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
    """An answer as it is compared: lower case, without closing signs, small numbers as digits."""
    words = unicodedata.normalize("NFKC", answer).casefold().strip(" .!*_'\"`$()[]{}<>")
    return str(_NUMBERS.index(words)) if words in _NUMBERS else words


def transfer_figures(answers: pl.DataFrame, confidence: float) -> dict[str, Any]:
    """Share right of both policies, over all and by kind, and the change from opponent to current."""
    wide = answers.pivot(on="policy", index=["question_id", "pair_id", "kind"], values="correct").sort("question_id")
    change = wide["current"].cast(pl.Int32) - wide["opponent"].cast(pl.Int32)
    figures: dict[str, Any] = {"questions": len(wide), "chance": answers["chance"].mean()}
    for policy in POLICIES:
        own = answers.filter(pl.col("policy") == policy)
        figures[policy] = {
            **figure("right", wide[policy], wide["pair_id"], confidence),
            **{kind: wide.filter(pl.col("kind") == kind)[policy].mean() for kind in sorted(wide["kind"].unique())},
            "unreadable": own["given"].is_null().mean(),
        }
    return {**figures, **figure("change", change, wide["pair_id"], confidence, least=-1.0)}
