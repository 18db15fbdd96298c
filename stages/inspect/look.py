"""Shows one game, or one of its rows, from any folder that leads to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.changes import change_lines, scene_of
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.inspect.kinds import SIDES, is_round
from stages.inspect.view import View

REWARDS = ["votes_received", "reward", "baseline", "advantage"]


def transcript(folder: Path, which: str) -> View:
    """One game, from deal to rewards. `which` is a game_id, or a number from 1 in game_id order."""
    rollouts, scored = _folders(folder.resolve())
    game, rows = _game(rollouts, scored, which)
    facts = {name: game[name] for name in ("pair_id", "iteration", "players", "clue_rounds", "spy", "spy_view")}
    facts |= _pair_facts(rollouts, game["pair_id"])
    if scored is not None:
        judged = tables.read(scored / "games.parquet", tables.SCORED_GAMES).drop("spy")
        facts |= judged.filter(game_id=game["game_id"]).drop("game_id").row(0, named=True)
    rewards = [name for name in REWARDS if name in rows.columns]
    clues = rows.filter(phase="clue").select("turn", "clue_round", "player", "role", "clue", *rewards)
    votes = rows.filter(phase="decision")
    votes = votes.select("turn", "sample", "role", "player", "vote", "vote_kind", *rewards[1:])
    return View(f"game {game['game_id']}", facts, {"clues": clues, "votes": votes})


def one_row(folder: Path, which: str, turn: int, sample: int) -> View:
    """One completion with everything that the tables know about it."""
    rollouts, scored = _folders(folder.resolve())
    game, rows = _game(rollouts, scored, which)
    rows = rows.filter(turn=turn, sample=sample)
    if rows.is_empty():
        raise InputError(f"{rollouts}: game '{game['game_id']}' has no row with turn {turn}, sample {sample}")
    facts: dict[str, Any] = rows.row(0, named=True)
    text = [
        part["text"] if part["type"] == "text" else f"[picture {', '.join(facts['images'])}]"
        for message in facts.pop("prompt")
        for part in message["content"]
    ]
    return View(f"row {game['game_id']} turn {turn} sample {sample}", facts, text=text)


def _folders(folder: Path) -> tuple[Path, Path | None]:
    """The rollouts folder behind any output, and the scored folder, if any."""
    if folder.name in SIDES and (folder.parent / artifact.MANIFEST).is_file():
        return folder, None
    if is_round(folder):
        made = [folder / name for name in ("scored", "rollouts") if (folder / name / artifact.MANIFEST).is_file()]
        if not made:
            raise InputError(f"{folder}: this round has not finished playing; wait, or give an earlier round")
        return _folders(made[0])
    stage = artifact.manifest_of(folder)["stage"]
    if stage == "evaluate":
        raise InputError(f"{folder}: an evaluation has two sides; give {folder}/civilians or {folder}/spy")
    if stage == "rollout":
        sibling = folder.with_name("scored")
        belongs = (sibling / artifact.MANIFEST).is_file() and artifact.input_of(sibling, "rollouts") == folder
        return folder, sibling if belongs else None
    if stage == "score":
        return artifact.input_of(folder, "rollouts"), folder
    if stage in {"filter", "train"}:
        return _folders(artifact.input_of(folder, "scored" if stage == "filter" else "kept"))
    if stage == "iterate":
        raise InputError(f"{folder}: a run has games from many rounds; give one of its rounds, such as round-0001")
    raise InputError(f"{folder}: an output of '{stage}' has no played games; give one of vz rollout or vz score")


def _game(rollouts: Path, scored: Path | None, which: str) -> tuple[dict[str, Any], pl.DataFrame]:
    """The game as dealt, and its completions, with their rewards if scored."""
    games = tables.read(rollouts / "games.parquet", tables.GAMES).sort("game_id")
    if which.isdigit() and 1 <= int(which) <= len(games):
        which = games["game_id"][int(which) - 1]
    found = games.filter(game_id=which)
    if found.is_empty():
        raise InputError(f"{rollouts}: no game '{which}'; give a game_id or a number from 1 to {len(games)}")
    with tables.readable(rollouts):
        rows = pl.scan_parquet(tables.parts_of(rollouts), glob=False).filter(game_id=which).collect()
    if scored is not None:
        rewards = tables.read(scored / "scored.parquet", tables.SCORED, [*tables.KEY, *REWARDS, "truncated"])
        rows = rows.join(rewards, on=tables.KEY, how="left")
    return found.row(0, named=True), rows


def _pair_facts(rollouts: Path, pair_id: str) -> dict[str, Any]:
    games = artifact.input_of(rollouts if (rollouts / artifact.MANIFEST).is_file() else rollouts.parent, "games")
    columns = ["pair_id", "original", "modified", "changes", "scene"]
    pair = tables.read(games / "pairs.parquet", tables.PAIRS, columns).filter(pair_id=pair_id)
    facts = pair.row(0, named=True)
    return {
        "pictures": [str(games / facts[name]) for name in ("original", "modified") if facts[name]],
        "changes": [line.text for line in change_lines(facts["changes"], scene_of(facts["scene"]))],
    }
