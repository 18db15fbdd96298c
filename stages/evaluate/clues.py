"""How true, original and long the evaluated policy's clues are, so that you can tell good lies from good sight."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.game.readers import UNREADABLE_CLUE
from stages.evaluate.checker import Verdict, check
from stages.evaluate.intervals import figure
from stages.evaluate.judge import READS, UNREADABLE, Question

PICTURES = {"true": "own", "true_of_civilians_picture": "civilians"}  # a figure's name, and the picture it is about
ROLES = {"civilian": "civilians", "spy": "spy"}  # of the evaluated policy, and the folder of its games
_WORDS = pl.col("clue").str.to_lowercase().str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()


def read_clues(work: Path, games: Path) -> pl.DataFrame:
    """The evaluated policy's clues from the arena's games in `work`, each with its pictures' scenes."""
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, ["pair_id", "domain", "scene", "modified_scene"])
    said = []
    for role, side in ROLES.items():
        columns = ["game_id", "turn", "phase", "role", "clue", "completion_ids"]
        rows = tables.read_parts(work / side, tables.ROLLOUTS, columns).filter(pl.col("phase") == "clue")
        dealt = tables.read(work / side / "games.parquet", tables.GAMES, ["game_id", "pair_id", "spy_view"])
        rows = rows.sort("game_id", "turn").with_columns(words=_WORDS)
        rows = rows.with_columns(copied=pl.int_range(pl.len()).over("game_id", "words") > 0)
        said.append(rows.filter(pl.col("role") == role).join(dealt, on="game_id", maintain_order="left"))
    is_spy, sees_modified = pl.col("role") == "spy", pl.col("spy_view") == "modified"
    return (
        pl.concat(said)
        .join(pairs, on="pair_id", maintain_order="left")
        .with_columns(
            tokens=pl.col("completion_ids").list.len().cast(pl.Int32).replace(0, None),  # a server may not report them
            readable=pl.col("clue") != UNREADABLE_CLUE,
            civilians=pl.col("scene"),
            own=pl.when(~is_spy).then("scene").when(sees_modified).then("modified_scene"),
        )
    )


def questions(clues: pl.DataFrame) -> list[Question]:
    """The questions about the clues: each about the civilians' picture and the speaker's own."""
    return [one for row in clues.iter_rows(named=True) for name in PICTURES.values() if (one := _question(row, name))]


def with_verdicts(clues: pl.DataFrame, replies: Mapping[Question, str]) -> pl.DataFrame:
    """The table of clues (`tables.CLUES`) with the checker's verdicts and, with a judge, its replies."""
    rows: list[dict[str, object]] = []
    for row in clues.iter_rows(named=True):
        kept: dict[str, object] = {name: value for name, value in row.items() if name in tables.CLUES}
        for picture in PICTURES.values():
            question = _question(row, picture)
            kept |= _verdicts(picture, _checked(row["readable"], question), replies.get(question) if question else None)
        rows.append(kept)
    return tables.from_rows(rows, tables.CLUES)


def _verdicts(picture: str, verdict: Verdict, reply: str | None) -> dict[str, object]:
    judged = {"true": True, "false": False}.get(reply or "")
    found: dict[str, object] = {picture: verdict.truth, f"judge_{picture}": judged}
    return found | ({"why": verdict.why, "judge_reply": reply} if picture == "civilians" else {})


def _question(row: Mapping[str, Any], picture: str) -> Question | None:
    asked = row["readable"] and row[picture] is not None and row["domain"] in READS
    return (row["domain"], row[picture], row["clue"]) if asked else None


def _checked(readable: bool, question: Question | None) -> Verdict:
    if question is None:
        return Verdict(None, "the scene is unknown" if readable else "unreadable")
    domain, scene, clue = question
    return check(clue, _scene(scene)) if domain == "clevr" else Verdict(None, "not a CLEVR scene")


@cache
def _scene(text: str) -> dict[str, Any]:
    scene: dict[str, Any] = json.loads(text)
    return scene


def clue_figures(clues: pl.DataFrame) -> dict[str, Any]:
    """Figures by role: the shares of judged clues that are true of the speaker's picture and of the civilians'; the
    shares that the checker cannot judge, that are copied and that are unreadable; the mean length in tokens."""
    found: dict[str, Any] = {}
    for role in ROLES:
        given = clues.filter(pl.col("role") == role)
        found[role] = {
            "clues": len(given),
            "tokens": given["tokens"].mean(),
            "cannot_tell": given["civilians"].is_null().mean(),
            **_shares(given, {**PICTURES, "copied": "copied"}),
            "unreadable": (~given["readable"]).mean(),
        }
    return found


def judge_figures(clues: pl.DataFrame) -> dict[str, Any]:
    """By role: the same shares from the judge's replies. Then how many clues both judge and checker decide, and how
    often they agree on these."""
    found: dict[str, Any] = {}
    for role in ROLES:
        given = clues.filter(pl.col("role") == role, pl.col("judge_reply").is_not_null())
        found[role] = {
            "clues": len(given),
            "cannot_tell": (given["judge_reply"] == "cannot tell").mean(),
            **_shares(given, {name: f"judge_{picture}" for name, picture in PICTURES.items()}),
            "unreadable": (given["judge_reply"] == UNREADABLE).mean(),
        }
    both = clues.with_columns(agree=pl.col("judge_civilians") == pl.col("civilians"))
    decided = len(both) - both["agree"].null_count()
    return {**found, "decided_by_both": decided, **_shares(both, {"agreement": "agree"})}


def _shares(clues: pl.DataFrame, columns: Mapping[str, str]) -> dict[str, Any]:
    """The mean of each column over the rows that have a value, with its interval."""
    found: dict[str, Any] = {}
    for name, column in columns.items():
        judged = clues.filter(pl.col(column).is_not_null())
        if len(judged):
            found |= figure(name, judged[column], judged["pair_id"])
    return found
