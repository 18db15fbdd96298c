"""Games of a run, read from its tables and ready to be shown: pictures, seats, clues, votes, rewards."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from PIL import Image

from stages.core import pages, tables
from stages.core.changes import change_lines, scene_of
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.pictures import Picture
from stages.report.run_files import RunFiles

_ROWS = ["game_id", "turn", "sample", "phase", "clue_round", "player", "role", "images", "clue", "vote", "vote_kind"]
_SCORES = [*tables.KEY, "phase", "role", "reward", "truncated"]


@dataclass(frozen=True)
class Shown:
    """A picture as a page holds it: a data URL, or None for an empty one."""

    url: str | None
    size: tuple[int, int]


@dataclass(frozen=True)
class Clue:
    """What a seat said. `text` is a model's: anything may stand in it."""

    seat: int
    spy: bool
    clue_round: int
    text: str
    truncated: bool


@dataclass(frozen=True)
class Choice:
    """What could be voted for: a seat, N/A, or nothing that could be read. `reward` is that of a seat's clues."""

    name: str
    spy: bool
    votes: int
    percent: float
    reward: float | None


@dataclass(frozen=True)
class Replay:
    """One game from deal to rewards."""

    round: int
    phase: str  # what trained in that round
    game_id: str
    spy: int
    changes: list[str]
    civilians_see: list[Shown]
    spy_sees: list[Shown]
    clues: list[Clue]
    choices: list[Choice]
    voters: str
    vote_reward: float | None
    winner: str


def choose(run: RunFiles, count: int) -> list[tuple[int, int]]:
    """(round, place of the game in it) of `count` games: rounds evenly from first to last, games by lot.

    Only rounds whose rollouts and scores are still there; a round gives several
    games where there are fewer rounds than `count`.
    """
    numbers = [row["iteration"] for row in run.rounds]
    there = [number for number in numbers if all(file.is_file() for file in _tables(run, number))]
    if not there or not count:
        return []
    spread = [there[round(place * (len(there) - 1) / max(1, count - 1))] for place in range(count)]
    return [(number, spread[:place].count(number)) for place, number in enumerate(spread)]


def read_replays(run: RunFiles, count: int) -> list[Replay]:
    """The chosen games. `InputError` names a picture or table that is missing."""
    phases = {row["iteration"]: str(row.get("phase")) for row in run.rounds}
    replays = []
    for number, place in choose(run, count):
        deals = tables.read(run.round_folder(number) / "rollouts" / "games.parquet", tables.GAMES)
        deals = deals.sort("seed", "game_id")  # seeds are hashes, so this is a lot: the same one each time
        if place < len(deals):
            replays.append(_read(run, number, phases[number], deals.row(place, named=True)))
    return replays


def _tables(run: RunFiles, number: int) -> list[Path]:
    folder = run.round_folder(number)
    return [folder / "rollouts" / "games.parquet", folder / "scored" / "games.parquet"]


def _read(run: RunFiles, number: int, phase: str, deal: dict[str, Any]) -> Replay:
    folder = run.round_folder(number)
    rows = _of_game(tables.read_parts(folder / "rollouts", tables.ROLLOUTS, _ROWS), deal)
    scores = _of_game(tables.read(folder / "scored" / "scored.parquet", tables.SCORED, _SCORES), deal)
    judged = _of_game(tables.read(folder / "scored" / "games.parquet", tables.SCORED_GAMES), deal)
    if rows.is_empty() or scores.is_empty() or judged.is_empty():
        raise InputError(f"{folder}: game '{deal['game_id']}' is not in all of its tables; score the round again")
    rows = rows.join(scores.drop("phase", "role", "game_id"), on=["turn", "sample"], how="left").sort("turn", "sample")
    clues, votes = (rows.filter(pl.col("phase") == kind) for kind in ("clue", "decision"))
    games = _games_folder(folder / "rollouts")
    pair = _pair(games, deal["pair_id"])
    reward = votes["reward"].mean()
    return Replay(
        round=number,
        phase=phase,
        game_id=deal["game_id"],
        spy=deal["spy"],
        changes=_changes(pair) if deal["spy_view"] == "modified" else [],
        civilians_see=_pictures(games, pair, _first_images(clues, "civilian")),
        spy_sees=_pictures(games, pair, _first_images(clues, "spy")),
        clues=[_clue(row) for row in clues.iter_rows(named=True)],
        choices=_choices(deal, clues, votes),
        voters=_voters(votes),
        vote_reward=reward if isinstance(reward, float) else None,
        winner=judged["winner"][0],
    )


def _of_game(frame: pl.DataFrame, deal: dict[str, Any]) -> pl.DataFrame:
    return frame.filter(pl.col("game_id") == deal["game_id"])


def _games_folder(rollouts: Path) -> Path:
    try:
        return artifact.input_of(rollouts, "games")
    except InputError as error:
        why = str(error).partition(";")[0]
        raise InputError(f"{why}; put it back, or leave the games out with --games 0") from error


def _pair(games: Path, pair_id: str) -> dict[str, Any]:
    columns = ["pair_id", "original", "modified", "original_sha256", "modified_sha256", "changes", "scene"]
    found = tables.read(games / "pairs.parquet", tables.PAIRS, columns).filter(pl.col("pair_id") == pair_id)
    if found.is_empty():
        raise InputError(f"{games / 'pairs.parquet'}: has no pair '{pair_id}', which was played; put its games back")
    return found.row(0, named=True)


def _changes(pair: dict[str, Any]) -> list[str]:
    return [line.text for line in change_lines(pair["changes"], scene_of(pair["scene"]))]


def _first_images(clues: pl.DataFrame, role: str) -> list[str]:
    given = clues.filter(pl.col("role") == role)["images"]
    return list(given[0]) if len(given) else []


def _pictures(games: Path, pair: dict[str, Any], refs: Sequence[str]) -> list[Shown]:
    hashes = {pair[kind]: pair[f"{kind}_sha256"] for kind in ("original", "modified")}
    shown = []
    for ref in refs:
        picture = Picture(games, ref, hashes.get(ref))
        size = picture.load().size  # an error where it is missing, unreadable or another one
        shown.append(Shown(None if picture.sha256 is None else _data_url(picture.file()), size))
    return shown


def _data_url(data: bytes) -> str:
    with Image.open(io.BytesIO(data)) as image:
        kind = Image.MIME[image.format or "PNG"]
    return pages.data_url(data, kind)


def _clue(row: dict[str, Any]) -> Clue:
    return Clue(row["player"], row["role"] == "spy", row["clue_round"], row["clue"] or "", bool(row["truncated"]))


def _choices(deal: dict[str, Any], clues: pl.DataFrame, votes: pl.DataFrame) -> list[Choice]:
    rewards = dict(clues.select("player", "reward").iter_rows())
    seats = range(1, deal["players"] + 1)
    counts = {seat: int((votes["vote"] == seat).sum()) for seat in seats}
    percent = {seat: 100 * count / len(votes) for seat, count in counts.items()} if len(votes) else {}
    choices = [
        Choice(f"Seat {seat}", seat == deal["spy"], counts[seat], percent.get(seat, 0.0), rewards.get(seat))
        for seat in seats
    ]
    for name, kind in (("N/A", "na"), ("unreadable", "unreadable")):
        count = int((votes["vote_kind"] == kind).sum())
        if count or kind == "na":
            choices.append(Choice(name, False, count, 100 * count / max(1, len(votes)), None))
    return choices


def _voters(votes: pl.DataFrame) -> str:
    """Who voted, in words."""
    total = f"{len(votes)} vote{'' if len(votes) == 1 else 's'}"
    if votes.filter(pl.col("role") != "analyst").is_empty():
        return f"{total} of one analyst, who sees the civilians' picture"
    return f"{total} of {votes['player'].n_unique()} civilians"
