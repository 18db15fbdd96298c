"""Whether votes follow their own reasons, in each round of a run in English.

    python -m tests.learning.verdicts runs/smollm2

Before a vote, the model names one player: `So player 2 is wrong.` The vote is right if this verdict is right and the
vote follows it, so these two columns show where votes can gain. They leave out votes without such a sentence.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from stages.core import tables

VERDICT = r"So player (\d+) is wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    rounds = sorted(parser.parse_args().run.glob("round-*/rollouts"))
    figures = pl.concat(shares(read(rollouts)).with_columns(round=pl.lit(rollouts.parent.name)) for rollouts in rounds)
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True, float_precision=3):
        print(figures.select("round", pl.exclude("round")))


def read(rollouts: Path) -> pl.DataFrame:
    """Each vote's `completion` and `vote`, with the `spy` of its game."""
    games = tables.read(rollouts / "games.parquet", tables.GAMES, ["game_id", "spy"])
    rows = tables.read_parts(rollouts, tables.ROLLOUTS, ["game_id", "phase", "completion", "vote"])
    return rows.filter(pl.col("phase") == "decision").join(games, on="game_id")


def shares(votes: pl.DataFrame) -> pl.DataFrame:
    """One row: of all votes, those that find the spy, and those with a verdict; of these, right and followed ones."""
    verdict = pl.col("completion").str.extract(VERDICT).cast(pl.Int32)
    return votes.select(
        pl.len().alias("votes"),
        (pl.col("vote") == pl.col("spy")).fill_null(False).mean().alias("right"),
        verdict.is_not_null().mean().alias("with a verdict"),
        (verdict == pl.col("spy")).mean().alias("verdict right"),
        verdict.eq_missing(pl.col("vote")).filter(verdict.is_not_null()).mean().alias("vote follows"),
    )


if __name__ == "__main__":
    main()
