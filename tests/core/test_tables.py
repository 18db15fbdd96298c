import re
from pathlib import Path

import polars as pl
import pytest

from stages.core import tables
from stages.core.errors import InputError

ROW = {
    "game_id": "g", "pair_id": "p", "iteration": 1, "players": 4, "clue_rounds": 2,
    "spy": 3, "spy_view": "blank", "seed": 9,
}  # fmt: skip


def test_a_table_comes_back_as_it_was_written(tmp_path: Path):
    frame = tables.from_rows([ROW], tables.GAMES)
    tables.write(frame, tmp_path / "games.parquet", tables.GAMES)
    assert tables.read(tmp_path / "games.parquet", tables.GAMES).equals(frame)


def test_equal_tables_are_equal_bytes(tmp_path: Path):
    frame = tables.from_rows([ROW] * 50, tables.GAMES)
    for name in ("a", "b"):
        tables.write(frame, tmp_path / name, tables.GAMES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop("spy"), "column 'spy' is missing"),
        (lambda frame: frame.with_columns(pl.col("spy").cast(pl.String)), "column 'spy' is String, but must be Int32"),
        (lambda frame: frame.with_columns(more=1), "column 'more' does not belong here"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, change, message: str):
    path = tmp_path / "games.parquet"
    change(tables.from_rows([ROW], tables.GAMES)).write_parquet(path)
    with pytest.raises(InputError, match=message) as caught:
        tables.read(path, tables.GAMES)
    assert str(path) in str(caught.value)


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path):
    path = tmp_path / "games.parquet"
    path.write_text("not a table")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        tables.read(path, tables.GAMES)
    with pytest.raises(InputError, match="no such table"):
        tables.read(tmp_path / "other.parquet", tables.GAMES)


def test_a_key_that_occurs_twice_is_named():
    frame = tables.from_rows([ROW, ROW], tables.GAMES)
    with pytest.raises(InputError, match="two rows with the key .*'g'"):
        tables.unique_key(frame, ["game_id"], "here")


def by_pandas(file: Path, copy: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pandas.read_parquet(file).to_parquet(copy)


def by_pandas_with_an_index(file: Path, copy: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_parquet(file)
    pandas.concat([frame, frame]).iloc[len(frame) :].sort_index(ascending=False).sort_index().to_parquet(copy)


def by_duckdb(file: Path, copy: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    duckdb.sql(f"COPY (SELECT * FROM '{file}') TO '{copy}' (FORMAT parquet)")


def by_polars(file: Path, copy: Path) -> None:
    pl.read_parquet(file).write_parquet(copy)


@pytest.mark.parametrize("rewrite", [by_pandas, by_pandas_with_an_index, by_duckdb, by_polars])
def test_a_table_that_another_library_rewrote_still_reads(tmp_path: Path, rewrite):
    change = {"object": 2, "attribute": "color", "before": "red", "after": "blue"}
    row = dict.fromkeys(tables.PAIRS) | {"pair_id": "a", "changes": [change], "seed": 5, "split": "train"}
    for name, schema, rows in (
        ("pairs", tables.PAIRS, [row, {**row, "pair_id": "b", "changes": []}]),
        ("votes", tables.VOTES, [dict.fromkeys(tables.VOTES) | {"vote": vote, "turn": 1} for vote in (3, None)]),
    ):
        frame = tables.from_rows(rows, schema)
        tables.write(frame, tmp_path / f"{name}.parquet", schema)
        rewrite(tmp_path / f"{name}.parquet", tmp_path / "copy.parquet")
        assert tables.read(tmp_path / "copy.parquet", schema).equals(frame)


def test_a_fraction_is_no_whole_number(tmp_path: Path):
    frame = tables.from_rows([ROW], tables.GAMES).with_columns(spy=pl.lit(1.5))
    frame.write_parquet(tmp_path / "games.parquet")
    with pytest.raises(InputError, match="column 'spy' contains fractions, but must be Int32"):
        tables.read(tmp_path / "games.parquet", tables.GAMES)


def test_the_page_on_tables_names_columns_that_exist():
    page = (Path(__file__).resolve().parents[2] / "docs/tables.md").read_text(encoding="utf-8")
    schemas = [value for name, value in vars(tables).items() if name.isupper() and isinstance(value, dict)]
    columns = {column for schema in schemas for column in schema}
    text = page.split("## Open them")[0]
    named = set(re.findall(r"`([a-z_]+[a-z0-9_]*)`", text)) - {
        "kept",
        "rejected",
        "scored",
        "settings",
        "current",
        "base",
    }
    assert {"game_id", "turn", "sample", "policy", "sampler", "images"} <= named <= columns
