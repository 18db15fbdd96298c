"""The games of a run's finished rounds as one table, and the search in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.large_tables import scan
from stages.core.pages.games import tables_of
from stages.core.pages.run_files import round_folder
from stages.view.overview import finished_rounds

PER_PAGE = 40
AROUND = 70  # characters to show before and after a search hit
GAME = ["round", "game_id"]
OUTCOMES = {"civilians": "the civilians win", "spy": "the spy wins"}


@dataclass(frozen=True)
class Query:
    """The filters in the list's address; an empty one filters nothing."""

    text: str = ""
    round: str = ""
    winner: str = ""
    player: str = ""
    pair: str = ""
    page: int = 1

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        names = {field.name for field in fields(cls)} - {"page"}
        page = given.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1
        return cls(**{name: given[name].strip() for name in names if name in given}, page=max(1, number))

    def with_page(self, page: int) -> str:
        """The same query as an address, for another page of results."""
        return urlencode({name: value for name, value in {**vars(self), "page": page}.items() if value})


@dataclass(frozen=True)
class Found:
    """One page of games as rows, the total number of games, and the options of each filter."""

    games: list[dict[str, Any]]
    total: int
    choices: dict[str, list[str]]
    query: Query

    @property
    def pages(self) -> int:
        return -(-self.total // PER_PAGE)


def find(run: Path, query: Query) -> Found:
    """The games that match the query, newest first. `InputError` names an unreadable table."""
    games = games_of_run(run)
    choices = {
        "round": [str(number) for number in games["round"].unique().sort(descending=True)],
        "player": games["players"].explode().drop_nulls().unique().sort().to_list(),
    }
    chosen = games.filter(_wanted(query))
    if query.text:
        chosen = chosen.join(_with_text(run, chosen["round"].unique().sort().to_list(), query.text), on=GAME)
    chosen = chosen.sort("round", "game_id", descending=[True, False])
    shown = chosen.slice((query.page - 1) * PER_PAGE, PER_PAGE).to_dicts()
    for game in shown:
        game["excerpt"] = excerpt(game["completion"], query.text) if query.text else None
    return Found(shown, len(chosen), choices, query)


def games_of_run(run: Path) -> pl.DataFrame:
    """A row for each game of a finished round, except rounds whose rollouts or scores were deleted."""
    folders = [(number, round_folder(run, number)) for number in range(1, finished_rounds(run) + 1)]
    frames = []
    for number, folder in folders:
        if all(file.is_file() for file in tables_of(folder)):
            frames.append(_round(folder, number, tuple(file.stat().st_mtime_ns for file in tables_of(folder))))
    return pl.concat(frames) if frames else pl.DataFrame(schema=_SCHEMA)


_SCHEMA: tables.Schema = {
    "round": pl.Int32(),
    "game_id": pl.String(),
    "pair_id": pl.String(),
    "spy": pl.Int32(),
    "spy_view": pl.String(),
    "players": pl.List(pl.String()),  # the policies that played
    "winner": pl.String(),
    "for_spy": pl.Float64(),  # votes
    "cast_votes": pl.Int32(),
    "clues": pl.List(pl.String()),  # of the first clue round
}


@lru_cache(maxsize=8192)
def _round(folder: Path, number: int, stamp: tuple[int, ...]) -> pl.DataFrame:
    """The games of one round. Reads its tables once, until they change (`stamp`)."""
    deals = tables.read(folder / "rollouts" / "games.parquet", tables.GAMES, ["game_id", "pair_id", "spy", "spy_view"])
    columns = ["game_id", "votes", "winner", "cast_votes"]
    judged = tables.read(folder / "scored" / "games.parquet", tables.SCORED_GAMES, columns)
    rows = _parts(folder, ["game_id", "turn", "policy", "clue", "clue_round"])
    first = pl.col("clue").sort_by("turn").filter(pl.col("clue_round").sort_by("turn") == 1)
    played = rows.group_by("game_id").agg(players=pl.col("policy").unique().sort(), clues=first).collect()
    for_spy = pl.col("votes").list.get(pl.col("spy") - 1, null_on_oob=True)
    games = deals.join(judged, on="game_id").join(played, on="game_id")
    return games.with_columns(round=pl.lit(number, pl.Int32), for_spy=for_spy).select(
        pl.col(name).cast(kind) for name, kind in _SCHEMA.items()
    )


def _parts(folder: Path, columns: list[str]) -> pl.LazyFrame:
    return pl.concat([scan(part, tables.ROLLOUTS, columns) for part in tables.parts_of(folder / "rollouts")])


def _wanted(query: Query) -> pl.Expr:
    wanted = pl.lit(True)
    if query.round:
        wanted &= pl.col("round").cast(pl.String) == query.round
    if query.winner:
        wanted &= pl.col("winner") == query.winner
    if query.player:
        wanted &= pl.col("players").list.contains(query.player)
    if query.pair:
        wanted &= pl.col("pair_id") == query.pair
    return wanted


def _with_text(run: Path, rounds: list[int], text: str) -> pl.DataFrame:
    """The games in which somebody wrote `text`, ignoring case, each with the first completion that contains it."""
    same = pl.col("completion").str.contains("(?i)" + pl.escape_regex(text))
    found = []
    for number in rounds:
        rows = _parts(round_folder(run, number), ["game_id", "turn", "sample", "completion"]).filter(same)
        first = rows.sort("turn", "sample").group_by("game_id").agg(pl.col("completion").first())
        found.append(first.with_columns(round=pl.lit(number, pl.Int32)))
    if not found:
        return pl.DataFrame(schema={"round": pl.Int32, "game_id": pl.String, "completion": pl.String})
    return pl.concat(pl.collect_all(found))


def excerpt(completion: str, text: str) -> tuple[str, str, str]:
    """The words before the text, the text as written, and the words after it."""
    start = completion.lower().find(text.lower())
    start = max(0, start)
    end = start + len(text)
    before, after = completion[max(0, start - AROUND) : start], completion[end : end + AROUND]
    cut = ("…" if start > AROUND else "", "…" if end + AROUND < len(completion) else "")
    return cut[0] + before, completion[start:end], after + cut[1]


def deal_of(run: Path, number: int, game_id: str) -> dict[str, Any]:
    """The deal of a game in a finished round. `InputError` if there is no such game."""
    if 1 <= number <= finished_rounds(run):
        file = round_folder(run, number) / "rollouts" / "games.parquet"
        found = tables.read(file, tables.GAMES).filter(pl.col("game_id") == game_id)
        if len(found):
            return found.row(0, named=True)
    raise InputError(f"{run}: no finished round {number} has a game '{game_id}'; choose one from the list of games")
