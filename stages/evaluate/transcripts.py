"""Votes on fixed transcripts: how well two policies find the spy when both hear the same clues."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine
from stages.core.engines.base import Completion
from stages.core.game.readers import read_vote
from stages.core.game.thinking import Tags, read_answer, thinking_tags
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe
from stages.evaluate.asking import Ask, ask_all
from stages.evaluate.figures import figure

POLICIES = ("current", "opponent")


def vote_on(transcripts: Path, games: Path, recipe: Recipe, engine: Engine) -> pl.DataFrame:
    """Both policies' votes (`tables.VOTES`) on every voter's prompt in the rollouts folder `transcripts`."""
    voters = _voters(transcripts)
    hashes = picture_hashes(games)
    asks = [
        Ask(
            f"{row['game_id']}/{row['turn']}",
            row["prompt"],
            [Picture(games, ref, hashes.get(ref)) for ref in row["images"]],
        )
        for row in voters
    ]
    votes: list[dict[str, object]] = []
    tags = thinking_tags(recipe.model)
    for policy in POLICIES:
        for greedy in (False, True):
            samples = 1 if greedy else recipe.game.votes
            answers = ask_all(asks, policy, recipe, engine, samples=samples, greedy=greedy)
            votes += [
                {**_vote(voter, completion, tags), "policy": policy, "greedy": greedy, "sample": sample}
                for voter, completions in zip(voters, answers, strict=True)
                for sample, completion in enumerate(completions)
            ]
    return tables.from_rows(votes, tables.VOTES)


def _voters(transcripts: Path) -> list[dict[str, Any]]:
    """A row a voter: its prompt, with what is known of the game."""
    columns = ["game_id", "turn", "sample", "phase", "prompt", "images"]
    rows = tables.read_parts(transcripts, tables.ROLLOUTS, columns)
    dealt = tables.read(transcripts / "games.parquet", tables.GAMES, ["game_id", "pair_id", "spy", "players"])
    prompts = rows.filter(pl.col("phase") == "decision", pl.col("sample") == 0)
    return prompts.join(dealt, on="game_id", validate="m:1").sort("game_id", "turn").to_dicts()


def _vote(voter: dict[str, Any], completion: Completion, tags: Sequence[Tags]) -> dict[str, object]:
    vote = read_vote(read_answer(completion.text, tags).said, voter["players"], completion.truncated)
    return {
        **{name: voter[name] for name in ("game_id", "turn", "pair_id")},
        "completion": completion.text,
        "tokens": len(completion.token_ids) or None,  # a server may not tell
        "vote": vote.seat,
        "vote_kind": vote.kind,
        "correct": vote.seat == voter["spy"],
    }


def decision_figures(votes: pl.DataFrame, confidence: float) -> dict[str, Any]:
    """Accuracy, sampled and greedy, of both policies and the change from opponent to current, transcript by
    transcript."""
    shares = votes.group_by("game_id", "pair_id", "policy", "greedy").agg(right=pl.col("correct").mean())
    wide = shares.pivot(on="policy", index=["game_id", "pair_id", "greedy"], values="right").sort("game_id")
    figures: dict[str, Any] = {"transcripts": votes["game_id"].n_unique()}
    for policy in POLICIES:
        own = votes.filter(pl.col("policy") == policy)
        sampled = own.filter(~pl.col("greedy"))
        figures[policy] = {
            **_accuracy(wide, policy, confidence),
            "na": (sampled["vote_kind"] == "na").mean(),
            "unreadable": (sampled["vote_kind"] == "unreadable").mean(),
            "tokens": sampled["tokens"].mean(),
        }
    changed = wide.with_columns(change=pl.col("current") - pl.col("opponent"))
    return {**figures, "change": _accuracy(changed, "change", confidence, least=-1.0)}


def _accuracy(wide: pl.DataFrame, column: str, confidence: float, least: float = 0.0) -> dict[str, Any]:
    sampled, greedy = wide.filter(~pl.col("greedy")), wide.filter(pl.col("greedy"))
    return {
        **figure("sampled", sampled[column], sampled["pair_id"], confidence, least=least),
        **figure("greedy", greedy[column], greedy["pair_id"], confidence, least=least),
    }
