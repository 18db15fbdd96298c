"""What the judged policy's clues are like: true, new, long; so that lying well and seeing better can be told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.game.readers import UNREADABLE_CLUE
from stages.evaluate.claims import judge
from stages.evaluate.figures import figure
from stages.evaluate.scenes import of_clevr

_NO_SCENE = "no scene is known"


def read_clues(work: Path, games: Path) -> pl.DataFrame:
    """The clues (`tables.CLUES`) that the judged policy gave in the arena's games of `work`, in both roles."""
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, ["pair_id", "domain", "scene", "modified_scene"])
    scenes = {row["pair_id"]: row for row in of_clevr(pairs).iter_rows(named=True)}
    clues: list[dict[str, object]] = []
    for side, role in (("civilians", "civilian"), ("spy", "spy")):
        columns = ["game_id", "turn", "phase", "role", "clue", "completion_ids"]
        rows = tables.read_parts(work / side, tables.ROLLOUTS, columns).filter(pl.col("phase") == "clue")
        dealt = tables.read(work / side / "games.parquet", tables.GAMES, ["game_id", "pair_id", "spy_view"])
        said: dict[str, set[str]] = {}
        for row in rows.join(dealt, on="game_id").sort("game_id", "turn").iter_rows(named=True):
            before, words = said.setdefault(row["game_id"], set()), _words(row["clue"])
            if row["role"] == role:
                clues.append(_clue(row, scenes[row["pair_id"]], words in before))
            before.add(words)
    return tables.from_rows(clues, tables.CLUES)


def _clue(row: Mapping[str, Any], pair: Mapping[str, Any], copied: bool) -> dict[str, object]:
    civilians, why = _truth(row["clue"], pair["scene"])
    own = civilians
    if row["role"] == "spy":
        own, _ = _truth(row["clue"], pair["modified_scene"] if row["spy_view"] == "modified" else None)
    return {
        **{name: row[name] for name in ("game_id", "turn", "pair_id", "role", "clue")},
        "tokens": len(row["completion_ids"]) or None,  # a server may not tell
        "own": own,
        "civilians": civilians,
        "why": why,
        "copied": copied,
        "readable": row["clue"] != UNREADABLE_CLUE,
    }


def _truth(clue: str, scene: str | None) -> tuple[bool | None, str]:
    if scene is None or clue == UNREADABLE_CLUE:
        return None, _NO_SCENE if scene is None else "not readable"
    verdict = judge(clue, _scene(scene))
    return verdict.truth, verdict.why


@cache
def _scene(text: str) -> dict[str, Any]:
    scene: dict[str, Any] = json.loads(text)
    return scene


def _words(clue: str) -> str:
    return " ".join("".join(sign if sign.isalnum() else " " for sign in clue.casefold()).split())


def clue_figures(clues: pl.DataFrame, confidence: float) -> dict[str, Any]:
    """By role: shares true of the own and of the civilians' picture among the clues that can be judged, and how many
    cannot; shares copied and unreadable; mean length in tokens."""
    found: dict[str, Any] = {}
    for role in ("civilian", "spy"):
        own = clues.filter(pl.col("role") == role)
        found[role] = {
            "clues": len(own),
            "tokens": own["tokens"].mean(),
            "cannot_tell": own["civilians"].is_null().mean(),
        }
        for name, column in (("true", "own"), ("true_of_civilians_picture", "civilians"), ("copied", "copied")):
            judged = own.filter(pl.col(column).is_not_null())
            if len(judged):
                found[role] |= figure(name, judged[column], judged["pair_id"], confidence)
        found[role]["unreadable"] = (~own["readable"]).mean()
    return found
