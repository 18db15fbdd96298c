"""What an output folder holds, as plain data for printing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.changes import change_lines, scene_of
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.files import read_json

SIDES = ("civilians", "spy")  # of an evaluation
ROUND_COLUMNS = ["iteration", "phase", "acc", "na", "acc_ema", "na_ema", "vote_accuracy", "reward_spy", "kept"]
TRAIN_COLUMNS = ["loss", "kl", "grad_norm"]
REWARDS = ["votes_received", "reward", "baseline", "advantage"]
LARGEST = 3  # parts of the overhead that are shown
LONG_TEXTS = {"scene", "modified_scene"}


@dataclass
class View:
    """A title, facts by name, tables by name, and texts. `more` counts the rows of a table that are not shown."""

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "tables": {name: table.to_dicts() for name, table in self.tables.items()}}


def overview(folder: Path, limit: int) -> View:
    """What the folder is, its counts, and the first `limit` rows of its tables (or the last rounds of a run)."""
    folder = folder.resolve()
    if (folder / "state.json").is_file() and not (folder / artifact.MANIFEST).is_file():
        state = read_json(folder / "state.json")
        return View(f"{folder}: a training state", {**state, "files": ", ".join(state.get("files", {}))})
    manifest = artifact.manifest_of(folder)
    if manifest["stage"] == "iterate":
        return _run_overview(folder, limit)
    view = View(f"{folder}: an output of '{manifest['stage']}'")
    sources = {name: given["path"] for name, given in manifest["inputs"].items()}
    view.facts = {"stage": manifest["stage"], "finished": manifest["finished"], "from": sources, **manifest["counts"]}
    if manifest["warnings"]:
        view.facts["warnings"] = manifest["warnings"]
    for name in manifest["outputs"]:
        if name.endswith(".parquet") and not Path(name).name.startswith("part-"):
            table = pl.scan_parquet(folder / name, glob=False)
            total = int(table.select(pl.len()).collect().item())
            view.tables[name] = _short_columns(table.head(limit).collect())
            view.more[name] = max(0, total - limit)
    return view


def transcript(folder: Path, which: str) -> View:
    """One game from deal to rewards: `which` is a game_id, or a number from 1 in the order of game_id."""
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
    """One completion with everything that the tables know of it."""
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


def _run_overview(run: Path, limit: int) -> View:
    if not (run / "state.json").is_file():
        return View(f"{run}: a run of 'iterate' in its first round; the same command continues it")
    state = read_json(run / "state.json")
    view = View(f"{run}: a run of 'iterate'", {**state.pop("schedule"), **state})
    if best := state.get("best"):  # the votes of a policy are counted in the round after the one that made it
        made = int(best["iteration"])
        view.facts["best"] = (
            f"the policy of round {made}: vote accuracy {best['vote_accuracy']:.3f} in round {made + 1}"
        )
    if not (run / "metrics.jsonl").is_file():
        return view
    rounds = pl.read_ndjson(run / "metrics.jsonl", infer_schema_length=None)
    table = rounds.select(name for name in ROUND_COLUMNS if name in rounds.columns)
    if "train" in rounds.columns:
        figures = rounds["train"].struct.unnest()
        table = table.hstack(figures.select(name for name in TRAIN_COLUMNS if name in figures.columns))
    view.tables["rounds"] = table.tail(limit)
    view.more["rounds"] = max(0, len(table) - limit)
    if timed := _times(run / "timings.jsonl", state["iteration"]):
        view.tables["seconds"] = pl.DataFrame(timed).tail(limit)
        view.more["seconds"] = max(0, len(timed) - limit)
    return view


def _times(file: Path, finished: int) -> list[dict[str, Any]]:
    """The seconds of each round, and its largest overheads in words; earlier versions wrote none."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []
    return [
        {
            "iteration": row["iteration"],
            **row["breakdown"],
            "largest overheads": ", ".join(f"{name} {took:.2f}" for name, took in [*row["overhead"].items()][:LARGEST]),
        }
        for row in rows
        if "breakdown" in row and row["iteration"] <= finished
    ]


def _short_columns(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        column
        for column, kind in table.schema.items()
        if not kind.is_nested() and "sha256" not in column and column not in LONG_TEXTS
    )


def _folders(folder: Path) -> tuple[Path, Path | None]:
    """The rollouts folder behind any output, and the scored one if there is one."""
    if folder.name in SIDES and (folder.parent / artifact.MANIFEST).is_file():
        return folder, None
    stage = artifact.manifest_of(folder)["stage"]
    if stage == "evaluate":
        raise InputError(f"{folder}: an evaluation plays two sides; give {folder}/civilians or {folder}/spy")
    if stage == "rollout":
        sibling = folder.with_name("scored")
        belongs = (sibling / artifact.MANIFEST).is_file() and artifact.input_of(sibling, "rollouts") == folder
        return folder, sibling if belongs else None
    if stage == "score":
        return artifact.input_of(folder, "rollouts"), folder
    if stage in {"filter", "train"}:
        return _folders(artifact.input_of(folder, "scored" if stage == "filter" else "kept"))
    raise InputError(f"{folder}: an output of '{stage}' holds no played games; give one of vz rollout or vz score")


def _game(rollouts: Path, scored: Path | None, which: str) -> tuple[dict[str, Any], pl.DataFrame]:
    """The game as dealt, and its completions, with their rewards where they are scored."""
    games = tables.read(rollouts / "games.parquet", tables.GAMES).sort("game_id")
    if which.isdigit() and 1 <= int(which) <= len(games):
        which = games["game_id"][int(which) - 1]
    found = games.filter(game_id=which)
    if found.is_empty():
        raise InputError(f"{rollouts}: no game '{which}'; give a game_id or a number from 1 to {len(games)}")
    rows = pl.scan_parquet(sorted(rollouts.glob("part-*.parquet")), glob=False).filter(game_id=which).collect()
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
