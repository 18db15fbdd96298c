"""Games of a run, read from its tables and ready to be shown: pictures, seats, clues, votes, rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from stages.core import pages, tables
from stages.core.changes import change_lines, scene_of
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.pages.run_files import RunFiles
from stages.core.pictures import Picture

ROWS = ["game_id", "turn", "sample", "phase", "clue_round", "player", "role", "images", "clue", "vote", "vote_kind"]
SCORES = [*tables.KEY, "reward", "truncated"]
PAIR = ["pair_id", "original", "modified", "original_sha256", "modified_sha256", "changes", "scene"]

Row = dict[str, Any]
Game = dict[str, Any]  # as the template shows it


def choose(run: RunFiles, count: int) -> list[tuple[int, int]]:
    """(round, number within the round) of `count` games, over rounds evenly from the first to the last.

    Rounds whose rollouts or scores are gone are left out. Where there are fewer rounds than `count`, a round gives
    several games.
    """
    numbers = [row["iteration"] for row in run.rounds]
    complete = [number for number in numbers if all(file.is_file() for file in _tables(run, number))]
    if not complete or not count:
        return []
    spread = [complete[round(place * (len(complete) - 1) / max(1, count - 1))] for place in range(count)]
    return [(number, spread[:place].count(number)) for place, number in enumerate(spread)]


def read_replays(run: RunFiles, count: int) -> list[Game]:
    """The chosen games. `InputError` names a picture or table that is missing."""
    replays = []
    for number, place in choose(run, count):
        deals = tables.read(run.round_folder(number) / "rollouts" / "games.parquet", tables.GAMES)
        deals = deals.sort("seed", "game_id")  # seeds are hashes: a random order, the same each time
        if place < len(deals):
            replays.append(_read(run, number, deals.row(place, named=True)))
    return replays


def _tables(run: RunFiles, number: int) -> list[Path]:
    folder = run.round_folder(number)
    return [folder / "rollouts" / "games.parquet", folder / "scored" / "games.parquet"]


def _read(run: RunFiles, number: int, deal: Row) -> Game:
    folder = run.round_folder(number)
    of_game = pl.col("game_id") == deal["game_id"]
    rows = tables.read_parts(folder / "rollouts", tables.ROLLOUTS, ROWS).filter(of_game)
    scores = tables.read(folder / "scored" / "scored.parquet", tables.SCORED, SCORES).filter(of_game)
    judged = tables.read(folder / "scored" / "games.parquet", tables.SCORED_GAMES).filter(of_game)
    if rows.is_empty() or len(scores) < len(rows) or judged.is_empty():
        raise InputError(f"{folder}: game '{deal['game_id']}' is not in all of its tables; score the round again")
    rows = rows.join(scores, on=tables.KEY).sort("turn", "sample")
    games = artifact.input_of(folder / "rollouts", "games")
    pair = _pair(games, deal["pair_id"])
    clues, votes = rows.filter(phase="clue"), rows.filter(phase="decision")
    changes = change_lines(pair["changes"], scene_of(pair["scene"])) if deal["spy_view"] == "modified" else []
    return {
        "round": number,
        "game_id": deal["game_id"],
        "spy": deal["spy"],
        "changes": [line.text for line in changes],
        "civilians_see": _pictures(games, pair, clues.filter(role="civilian")["images"]),
        "spy_sees": _pictures(games, pair, clues.filter(role="spy")["images"]),
        "clues": clues.to_dicts(),
        "choices": _choices(deal, clues, votes),
        "voters": _voters(votes),
        "vote_reward": votes.select(pl.col("reward").mean()).item(),
        "winner": judged["winner"][0],
    }


def _pair(games: Path, pair_id: str) -> Row:
    found = tables.read(games / "pairs.parquet", tables.PAIRS, PAIR).filter(pl.col("pair_id") == pair_id)
    if found.is_empty():
        raise InputError(f"{games / 'pairs.parquet'}: has no pair '{pair_id}', which was played; restore these games")
    return found.row(0, named=True)


def _pictures(games: Path, pair: Row, images: pl.Series) -> list[Row]:
    """What the first of these turns shows. `InputError` if a file is missing, unreadable or another picture."""
    hashes = {pair[kind]: pair[f"{kind}_sha256"] for kind in ("original", "modified")}
    pictures = [Picture(games, ref, hashes.get(ref)) for ref in (images[0] if len(images) else [])]
    return [{"size": one.load().size, "url": pages.picture_url(one.file()) if one.sha256 else None} for one in pictures]


def _choices(deal: Row, clues: pl.DataFrame, votes: pl.DataFrame) -> list[Row]:
    """What voters can name, and how many did. The reward is that of a seat's clues."""
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
        return f"{total} of one analyst, who sees the civilians' picture"
    return f"{total} of {votes['player'].n_unique()} civilians"
