"""`vz score` and `vz filter` on many rows: rows per second and peak memory, beside plain Python: `make bench-score`.

The rollouts are made up, in the layout and with the columns of real ones: 5 players, 2 rounds of clues, 8 votes. Each
stage runs in a process of its own, whose peak memory is read. The released code's reward functions (Vision-Zero, arXiv
2509.25541), written plainly in Python, run on the first games of the same rollouts.

    python -m tests.score.bench --out runs/bench-score --rows 10_000_000
"""

from __future__ import annotations

import argparse
import datetime
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from stages.core import tables
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome
from stages.core.folder.files import write_json
from stages.core.play.journal import GAMES_PER_PART
from stages.core.recipe.game import Game
from tests.score import plain

PLAYERS, ROUNDS, VOTES = 5, 2, 8
CLUES = PLAYERS * ROUNDS
ROWS_OF_A_GAME = CLUES + VOTES
TOKENS = 24  # of each answer: ids and log-probs, which no stage here reads
BYTES_A_ROW = 400  # on disk, generously: rollouts, scored, kept and rejected rows
PLAIN_GAMES = 4000  # games that plain Python scores
RULES = Game(players=PLAYERS, clue_rounds=ROUNDS, votes=VOTES)

SETTING = (
    "You are playing a game of clues with four others, and one of you is the spy. The civilians see one picture, the spy "
    "sees another. In each round every player says one sentence about its picture. Be precise, and repeat nobody.\n"
)
REASONS = [
    "Player {} says something that I cannot see in the picture, and the others agree with each other.",
    "The clues fit the picture except for one: what player {} says about the sphere is wrong.",
    "I compare each clue with the picture. Player {} only repeats what somebody said before.",
    "It is hard to tell. Player {} is vague, and speaks of no object in particular.",
]


def make_rollouts(out: Path, rows: int, seed: int = 0) -> Path:
    """A folder of rollouts of about this many rows, with votes that find the spy in every other case."""
    games = -(-rows // ROWS_OF_A_GAME)
    spies = np.random.default_rng(seed).integers(1, PLAYERS + 1, games).astype(np.int32)
    ids = pl.select(id=pl.format("pair-{}.i0001.{}", *[pl.int_range(games).cast(pl.String).str.zfill(8)] * 2))["id"]

    def make(work: Path) -> Outcome:
        for part, start in enumerate(range(0, games, GAMES_PER_PART)):
            some = slice(start, start + GAMES_PER_PART)
            frame = _part(ids[some], spies[some], np.random.default_rng((seed, part)))
            tables.write(frame, work / f"part-{part:05d}.parquet", tables.ROLLOUTS)
        deals = pl.DataFrame({"game_id": ids, "pair_id": "p", "iteration": 1, "players": PLAYERS, "spy": spies})
        deals = deals.with_columns(clue_rounds=pl.lit(ROUNDS), spy_view=pl.lit("modified"), seed=pl.lit(1))
        tables.write(deals.cast(tables.GAMES).select(list(tables.GAMES)), work / "games.parquet", tables.GAMES)  # type: ignore[arg-type]
        return Outcome({"games": games})

    settings = {"rollout": {"temperature": 1.0}, "game": RULES.model_dump(mode="json"), "rows": rows, "seed": seed}
    return artifact.produce(out, stage="rollout", settings=settings, inputs={}, make=make).out


def _part(ids: pl.Series, spies: np.ndarray, draw: np.random.Generator) -> pl.DataFrame:
    count = len(ids) * ROWS_OF_A_GAME
    place = np.tile(np.arange(ROWS_OF_A_GAME), len(ids))
    spy = np.repeat(spies, ROWS_OF_A_GAME)
    is_clue, player = place < CLUES, place % PLAYERS + 1
    answers = _answers(spy, draw)
    frame = pl.DataFrame({"game_id": ids.to_list()}).select(pl.col("game_id").repeat_by(ROWS_OF_A_GAME).explode())
    clue = pl.Series(np.where(is_clue, draw.integers(0, 1000, count), -1)).cast(pl.String)
    numbers = {
        "turn": np.minimum(place, CLUES),
        "sample": np.maximum(place - CLUES, 0),
        "clue_round": np.where(is_clue, place // PLAYERS + 1, 0),
        "player": np.where(is_clue, player, 0),
        "prompt_tokens": 800,
        "seed": draw.integers(0, 2**40, count),
    }
    frame = frame.with_columns(
        **{name: pl.lit(value) if np.isscalar(value) else pl.Series(value) for name, value in numbers.items()},
        phase=pl.Series(np.where(is_clue, "clue", "decision")),
        role=pl.Series(np.where(is_clue, np.where(player == spy, "spy", "civilian"), "analyst")),
        policy=pl.lit("current"),
        policy_version=pl.lit("0123456789ab"),
        images=pl.concat_list(pl.format("images/{}_original.png", "game_id")),
        prompt_sha256=pl.col("game_id").hash().cast(pl.String),
        completion_ids=pl.Series(draw.integers(0, 50_000, (count, TOKENS))).arr.to_list(),
        completion_logprobs=pl.Series(-draw.random((count, TOKENS), dtype=np.float32)).arr.to_list(),
        finish_reason=pl.Series(np.where(draw.random(count) < 0.02, "length", "stop")),
        thought=pl.lit(None, pl.String),
        clue=pl.when(clue != "-1").then(pl.format("There is a small red cube left of thing number {}.", clue)),
        sampler=pl.lit("vllm bfloat16"),
        **{name: pl.Series(answers[name]) for name in ("vote", "vote_kind", "reason")},
    )
    said = pl.format("\\boxed{{{}}}", pl.coalesce(pl.when(pl.col("vote_kind") == "na").then(pl.lit("N/A")), "vote"))
    text = pl.when(pl.col("phase") == "clue").then(pl.format("I look. \\boxed{{{}}}", "clue")).otherwise(
        pl.format("{} {}", "reason", pl.when(pl.col("vote_kind") != "unreadable").then(said).otherwise(pl.lit("Hm.")))
    )  # fmt: skip
    content = [{"type": "text", "text": SETTING}, {"type": "image", "text": None}]
    prompt = pl.Series([[{"role": "user", "content": content}]], dtype=tables.ROLLOUTS["prompt"])
    is_vote = pl.col("phase") == "decision"
    return (
        frame.with_columns(completion=text, prompt=pl.lit(prompt).first())
        .with_columns(
            vote=pl.when(is_vote & (pl.col("vote_kind") == "seat")).then("vote"),
            vote_kind=pl.when(is_vote).then("vote_kind"),
            clue_round=pl.when(~is_vote).then("clue_round"),
            player=pl.when(~is_vote).then("player"),
        )
        .cast({name: kind for name, kind in tables.ROLLOUTS.items() if name != "prompt"})  # type: ignore[arg-type]
        .select(list(tables.ROLLOUTS))
    )


def _answers(spy: np.ndarray, draw: np.random.Generator) -> dict[str, Any]:
    """Votes: half of them right, one in ten N/A, one in twenty unreadable; and the words before them."""
    count = len(spy)
    vote = np.where(draw.random(count) < 0.5, spy, draw.integers(1, PLAYERS + 1, count))
    kind = np.asarray(["seat", "na", "unreadable"])[np.searchsorted([0.85, 0.95], draw.random(count))]
    reasons = np.asarray([reason.format(seat) for reason in REASONS for seat in range(1, PLAYERS + 1)])
    return {"vote": vote, "vote_kind": kind, "reason": reasons[draw.integers(0, len(reasons), count)]}


def measured(stage: str, *arguments: object) -> dict[str, float]:
    """Seconds and peak GiB of a stage in a process of its own, the start of Python not counted."""
    call = [sys.executable, "-m", "tests.score.bench_stage", stage, *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
    return found


def games_in_memory(rollouts: Path, count: int) -> list[list[dict[str, Any]]]:
    """The rows of the first games as dictionaries, game by game."""
    games = tables.read(rollouts / "games.parquet", tables.GAMES).head(count)
    columns = [*tables.KEY, "phase", "player", "completion"]
    parts = tables.parts_of(rollouts)[: -(-count // GAMES_PER_PART)]
    rows = pl.concat([tables.read(part, tables.ROLLOUTS, columns) for part in parts])
    rows = rows.join(games.select("game_id", "spy", "players"), on="game_id").sort(tables.KEY)
    return [group.to_dicts() for _, group in rows.group_by("game_id", maintain_order=True)]


def plain_python(rollouts: Path) -> dict[str, float]:
    """Plain Python on rows that are in memory already; reading and writing are not counted."""
    games = games_in_memory(rollouts, PLAIN_GAMES)
    began, cpu_began = time.perf_counter(), time.process_time()
    scored = plain.score(games)
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    return {"rows": len(scored), **seconds}


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    free, needed = shutil.disk_usage(given.out).free, given.rows * BYTES_A_ROW
    if free < needed:
        raise SystemExit(
            f"{given.out}: {needed / 2**30:.0f} GiB are needed there, but only {free / 2**30:.0f} are free"
        )
    rollouts = make_rollouts(given.out / "rollouts", given.rows)
    scored, kept = given.out / "scored", given.out / "kept"
    found = {
        "score": measured("score", given.recipe, rollouts, scored),
        "filter": measured("filter", given.recipe, scored, kept),
    }
    alone = plain_python(rollouts)
    write_json(
        given.out / "bench.json",
        {"date": datetime.date.today().isoformat(), "recipe": given.recipe, **found, "plain": alone},
    )
    print(report(found, alone))
    if not given.keep:
        for folder in (rollouts, scored, kept):
            shutil.rmtree(folder)
    return 0


def report(found: dict[str, dict[str, float]], alone: dict[str, float]) -> str:
    """A line a stage. The processor's time is that of all threads, and other work on the machine hardly changes it."""
    head = "| | rows | rows/s | rows per second of processor | of plain Python, by processor time | peak GiB |"
    lines = [head, "|---|---|---|---|---|---|"]
    slow = alone["rows"] / alone["cpu_seconds"]
    for name, row in (found | {"plain Python, in memory": alone}).items():
        rate, cpu_rate = row["rows"] / row["seconds"], row["rows"] / row["cpu_seconds"]
        peak = f"{row['peak_gib']:.2f}" if "peak_gib" in row else "–"
        lines.append(
            f"| {name} | {row['rows']:,.0f} | {rate:,.0f} | {cpu_rate:,.0f} | {cpu_rate / slow:.1f} | {peak} |"
        )
    return "\n".join(lines)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--recipe", default="released-code", help="paper does not read completions, released-code does")
    parser.add_argument("--keep", action="store_true", help="keep the tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
