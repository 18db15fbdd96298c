"""Votes on the same transcripts: how well two policies find the spy when both hear the same clues."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Completion, Engine
from stages.core.engines.asking import Ask, ask_all, vote_sampling
from stages.core.game.readers import read_vote
from stages.core.game.thinking import Tags, read_answer, thinking_tags
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe import Recipe
from stages.evaluate.intervals import figure

POLICIES = ("current", "opponent")


def vote_on(transcripts: Path, games: Path, recipe: Recipe, engine: Engine) -> pl.DataFrame:
    """Both policies' votes (`tables.VOTES`) on every voter's prompt in the rollouts folder `transcripts`."""
    voters, hashes = _voters(transcripts), picture_hashes(games)
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
        for greedy, samples in ((False, recipe.game.votes), (True, 1)):
            sampling, title = vote_sampling(recipe, greedy=greedy), f"votes of {policy} on transcripts"
            answers = ask_all(asks, policy, recipe, engine, sampling, samples, title=title)
            votes += [
                {**_vote(voter, completion, tags), "policy": policy, "greedy": greedy, "sample": sample}
                for voter, completions in zip(voters, answers, strict=True)
                for sample, completion in enumerate(completions)
            ]
    return tables.from_rows(votes, tables.VOTES)


def _voters(transcripts: Path) -> list[dict[str, Any]]:
    """A row for each voter: its prompt, and the game's data."""
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
        "tokens": len(completion.token_ids) or None,  # a server may not report them
        "vote": vote.seat,
        "vote_kind": vote.kind,
        "correct": vote.seat == voter["spy"],
    }


def decision_figures(votes: pl.DataFrame) -> dict[str, Any]:
    """Each policy's accuracy, sampled and greedy, and the change from opponent to current on the same transcripts."""
    shares = votes.group_by("game_id", "pair_id", "policy", "greedy").agg(right=pl.col("correct").mean())
    wide = shares.pivot(on="policy", index=["game_id", "pair_id", "greedy"], values="right").sort("game_id")
    wide = wide.with_columns(change=pl.col("current") - pl.col("opponent"))
    figures: dict[str, Any] = {"transcripts": votes["game_id"].n_unique()}
    for policy in POLICIES:
        sampled = votes.filter(pl.col("policy") == policy, ~pl.col("greedy"))
        figures[policy] = {
            **_accuracy(wide, policy),
            **{kind: (sampled["vote_kind"] == kind).mean() for kind in ("na", "unreadable")},
            "tokens": sampled["tokens"].mean(),
        }
    return {**figures, "change": _accuracy(wide, "change", least=-1.0)}


def _accuracy(wide: pl.DataFrame, column: str, least: float = 0.0) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, greedy in (("sampled", False), ("greedy", True)):
        rows = wide.filter(pl.col("greedy") == greedy)
        found |= figure(name, rows[column], rows["pair_id"], least=least)
    return found
