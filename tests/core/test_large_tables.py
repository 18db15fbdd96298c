"""Tables read in ranges of games and written piece by piece are those that are read and written at once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stages.core import tables
from stages.core.large_tables import Pieces, whole_games

SCHEMA = {"game_id": pl.String(), "turn": pl.Int32(), "reward": pl.Float64()}


def rows(games: list[str]) -> pl.DataFrame:
    return pl.DataFrame({"game_id": games, "turn": range(len(games)), "reward": 0.5}, schema=SCHEMA)


@pytest.mark.parametrize("sizes", [[], [4], [0], [2, 2], [1, 0, 3]])
def test_pieces_make_the_bytes_of_the_whole(tmp_path: Path, sizes: list[int]):
    pieces, start = [], 0
    for size in sizes:
        pieces.append(rows(list("aabb")).slice(start, size))
        start += size
    whole = pl.concat(pieces) if pieces else rows([])
    tables.write(whole.with_columns(reward=pl.col("turn") * 2.0), tmp_path / "whole.parquet", SCHEMA)
    with Pieces(tmp_path / "pieces.parquet", SCHEMA) as writer:
        for piece in pieces:
            writer.add(piece)
        writer.replace("reward", whole["turn"] * 2.0)
    assert (tmp_path / "pieces.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pieces.parquet", "whole.parquet"]


def test_an_error_leaves_no_table_and_no_pieces(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), Pieces(tmp_path / "pieces.parquet", SCHEMA) as writer:
        writer.add(rows(["a"]))
        writer.add(rows([str(1 // 0)]))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("games", "size", "pieces"),
    [
        ("aabbbc", 2, ["aa", "bbbc"]),
        ("aaaaabcc", 2, ["aaaaa", "bcc"]),
        ("ab", 9, ["ab"]),
        ("", 2, [""]),
        ("aba", 1, ["aba"]),  # not sorted
    ],
)
def test_a_game_is_in_one_piece(tmp_path: Path, games: str, size: int, pieces: list[str]):
    tables.write(rows(list(games)), tmp_path / "rows.parquet", SCHEMA)
    found = list(whole_games(tmp_path / "rows.parquet", SCHEMA, size))
    assert ["".join(piece["game_id"]) for piece in found] == pieces
    assert pl.concat(found).equals(rows(list(games)))
