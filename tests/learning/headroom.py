"""How much votes can gain: how often a voter who sees everything would find the spy by the clues that were given.

    python -m tests.learning.headroom runs/smollm2/round-0001/rollouts

This voter knows the civilians' scene. It names the player with the most clues that the checker finds false, and draws
lots among equals. What the clues do not show, no training of votes can find.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl

from stages.core import tables
from stages.core.folder import artifact
from stages.evaluate.checker import check
from stages.evaluate.intervals import estimate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rollouts", type=Path)
    parser.add_argument("--games", type=Path, help="the pairs, if the rollouts' manifest does not lead to them")
    given = parser.parse_args()
    found = found_by_clues(given.rollouts, given.games or artifact.input_of(given.rollouts, "games"))
    best = estimate(found["found"].to_list(), found["pair_id"].to_list())
    print(f"{len(found)} games: a voter who sees everything finds {best.mean:.3f} ({best.low:.3f} … {best.high:.3f})")
    print(f"votes of the policy: {found['right'].mean():.3f}")


def found_by_clues(rollouts: Path, games: Path) -> pl.DataFrame:
    """For each game, the chance that this voter finds the spy (`found`), and the share of votes that did (`right`)."""
    dealt = tables.read(rollouts / "games.parquet", tables.GAMES, ["game_id", "pair_id", "players", "spy"])
    scenes = tables.read(games / "pairs.parquet", tables.PAIRS, ["pair_id", "scene"])
    rows = tables.read_parts(rollouts, tables.ROLLOUTS, ["game_id", "phase", "player", "clue", "vote"])
    rows = rows.join(dealt.join(scenes, on="pair_id"), on="game_id")
    clues = rows.filter(pl.col("phase") == "clue")
    false = [check(clue, json.loads(scene)).truth is False for clue, scene in clues.select("clue", "scene").iter_rows()]
    counts = clues.with_columns(false=pl.Series(false)).group_by("game_id", "pair_id", "player", "spy").agg(
        pl.col("false").sum()
    )  # fmt: skip
    most = counts.filter(pl.col("false") == pl.col("false").max().over("game_id"))
    named = most.group_by("game_id", "pair_id").agg(found=(pl.col("player") == pl.col("spy")).mean())
    votes = rows.filter(pl.col("phase") == "decision").group_by("game_id")
    return named.join(votes.agg(right=(pl.col("vote") == pl.col("spy")).fill_null(False).mean()), on="game_id")


if __name__ == "__main__":
    main()
