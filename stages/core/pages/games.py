"""A game of a run, read from its tables for display: pictures, seats, clues, votes and rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.changes import change_lines, scene_of
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.large_tables import scan
from stages.core.pictures import Picture

ROWS = ["game_id", "turn", "sample", "phase", "clue_round", "player", "role", "images", "clue", "vote", "vote_kind"]
SCORES = [*tables.KEY, "reward", "truncated"]
PAIR = ["pair_id", "original", "modified", "original_sha256", "modified_sha256", "changes", "scene"]
KINDS = ("original", "modified")

Row = dict[str, Any]
Game = dict[str, Any]  # in the form that a template shows


def tables_of(folder: Path) -> list[Path]:
    """The tables in a round's folder that showing any of its games needs."""
    return [folder / "rollouts" / "games.parquet", folder / "scored" / "games.parquet"]


def read_game(folder: Path, deal: Row, more: list[str] | None = None, more_scores: list[str] | None = None) -> Game:
    """The game `deal` of the round in `folder`. `more` and `more_scores` name further columns for its clues and votes.

    `InputError` names a missing table or picture.
    """
    of_game = pl.col("game_id") == deal["game_id"]
    parts = [scan(part, tables.ROLLOUTS, [*ROWS, *(more or [])]) for part in tables.parts_of(folder / "rollouts")]
    rows = pl.concat([part.filter(of_game) for part in parts]).collect()
    scored = scan(folder / "scored" / "scored.parquet", tables.SCORED, [*SCORES, *(more_scores or [])])
    scores = scored.filter(of_game).collect()
    judged = tables.read(folder / "scored" / "games.parquet", tables.SCORED_GAMES).filter(of_game)
    if rows.is_empty() or len(scores) < len(rows) or judged.is_empty():
        raise InputError(f"{folder}: game '{deal['game_id']}' is not in all of its tables; score the round again")
    rows = rows.join(scores, on=tables.KEY).sort("turn", "sample")
    games = games_of(folder)
    pair = read_pair(games, deal["pair_id"])
    clues, votes = rows.filter(phase="clue"), rows.filter(phase="decision")
    changes = change_lines(pair["changes"], scene_of(pair["scene"])) if deal["spy_view"] == "modified" else []
    return {
        "game_id": deal["game_id"],
        "pair_id": deal["pair_id"],
        "spy": deal["spy"],
        "changes": [line.text for line in changes],
        "civilians_see": pictures(games, pair, clues.filter(role="civilian")["images"]),
        "spy_sees": pictures(games, pair, clues.filter(role="spy")["images"]),
        "clues": clues.to_dicts(),
        "votes": votes.to_dicts(),
        "choices": _choices(deal, clues, votes),
        "voters": _voters(votes),
        "vote_reward": votes.select(pl.col("reward").mean()).item(),
        "winner": judged["winner"][0],
    }


def games_of(folder: Path) -> Path:
    """The games folder that the round in `folder` played."""
    return artifact.input_of(folder / "rollouts", "games")


def read_pair(games: Path, pair_id: str) -> Row:
    """The columns of a pair's row in `pairs.parquet` that showing it needs."""
    found = scan(games / "pairs.parquet", tables.PAIRS, PAIR).filter(pl.col("pair_id") == pair_id).collect()
    if found.is_empty():
        raise InputError(f"{games / 'pairs.parquet'}: the played pair '{pair_id}' is missing; restore these games")
    return found.row(0, named=True)


def pictures(games: Path, pair: Row, images: pl.Series) -> list[Picture]:
    """The pictures of the first of these turns. A picture that is neither the pair's nor blank cannot be loaded."""
    hashes = {pair[kind]: pair[f"{kind}_sha256"] for kind in KINDS}
    return [Picture(games, ref, hashes.get(ref)) for ref in (images[0] if len(images) else [])]


def _choices(deal: Row, clues: pl.DataFrame, votes: pl.DataFrame) -> list[Row]:
    """The possible votes, and how many voters chose each. `reward` is the reward of the seat's clues."""
    votes_for = {f"Seat {seat}": votes.filter(vote=seat) for seat in range(1, deal["players"] + 1)}
    votes_for |= {"N/A": votes.filter(vote_kind="na"), "unreadable": votes.filter(vote_kind="unreadable")}
    rewards = {f"Seat {player}": reward for player, reward in clues.select("player", "reward").iter_rows()}
    return [
        {
            "name": name,
            "is_spy": name == f"Seat {deal['spy']}",
            "votes": len(found),
            "percent": 100 * len(found) / max(1, len(votes)),
            "reward": rewards.get(name),
        }
        for name, found in votes_for.items()
    ]


def _voters(votes: pl.DataFrame) -> str:
    total = f"{len(votes)} vote{'' if len(votes) == 1 else 's'}"
    if votes.filter(pl.col("role") != "analyst").is_empty():
        return f"{total} by one analyst, who sees the civilians' picture"
    return f"{total} by {votes['player'].n_unique()} civilians"
