"""What an output folder holds, as plain data for whoever prints it."""

from __future__ import annotations

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


@dataclass
class View:
    """A title, facts by name, and tables by name."""

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)  # rows of a table that are not shown

    def as_dict(self) -> dict[str, Any]:
        shown = {name: table.to_dicts() for name, table in self.tables.items()}
        return {"title": self.title, "facts": self.facts, "tables": shown, "text": self.text, "more": self.more}


def overview(folder: Path, limit: int) -> View:
    """What the folder is, its counts, and the first `limit` rows of its games (or rounds)."""
    folder = folder.resolve()
    if (folder / "state.json").is_file() and not (folder / artifact.MANIFEST).is_file():
        state = read_json(folder / "state.json")
        return View(f"{folder}: a training state", {**state, "files": ", ".join(state.get("files", {}))})
    manifest = artifact.manifest_of(folder)
    if manifest["stage"] == "iterate":
        return _run_overview(folder, limit)
    facts = {
        "stage": manifest["stage"],
        "finished": manifest["finished"],
        "from": {name: given["path"] for name, given in manifest["inputs"].items()},
        **manifest["counts"],
    }
    if manifest["warnings"]:
        facts["warnings"] = manifest["warnings"]
    shown, more = _first_tables(folder, manifest, limit)
    return View(f"{folder}: an output of '{manifest['stage']}'", facts, shown, more=more)


def transcript(folder: Path, which: str) -> View:
    """One game from deal to rewards: `which` is a game_id, or a number from 1 in game_id order."""
    rollouts, scored = _folders(folder.resolve())
    games = tables.read(rollouts / "games.parquet", tables.GAMES).sort("game_id")
    game = _choose(games, which, rollouts)
    rows = _game_rows(rollouts, game["game_id"])
    rewards = _rewards(scored, game["game_id"])
    joined = rows.join(rewards, on=tables.KEY, how="left") if rewards is not None else rows
    facts = {name: game[name] for name in ("pair_id", "iteration", "players", "clue_rounds", "spy", "spy_view")}
    facts |= _pair_facts(rollouts, game["pair_id"])
    if scored is not None:
        judged = tables.read(scored / "games.parquet", tables.SCORED_GAMES)
        facts |= judged.filter(pl.col("game_id") == game["game_id"]).drop("game_id", "spy").row(0, named=True)
    columns = [name for name in ("turn", "sample", "clue_round", "player", "role") if name in joined.columns]
    score_columns = [name for name in ("votes_received", "reward", "baseline", "advantage") if name in joined.columns]
    clues = joined.filter(pl.col("phase") == "clue").select("turn", *columns[2:], "clue", *score_columns)
    votes = joined.filter(pl.col("phase") == "decision").select(
        "turn", "sample", "role", "player", "vote", "vote_kind", *score_columns[1:]
    )
    return View(f"game {game['game_id']}", facts, {"clues": clues, "votes": votes})


def one_row(folder: Path, which: str, turn: int, sample: int) -> View:
    """One completion with everything the tables know of it."""
    rollouts, scored = _folders(folder.resolve())
    games = tables.read(rollouts / "games.parquet", tables.GAMES).sort("game_id")
    game_id = _choose(games, which, rollouts)["game_id"]
    rows = _game_rows(rollouts, game_id).filter(pl.col("turn") == turn, pl.col("sample") == sample)
    if rows.is_empty():
        raise InputError(f"{rollouts}: game '{game_id}' has no row with turn {turn}, sample {sample}")
    facts: dict[str, Any] = rows.row(0, named=True)
    rewards = _rewards(scored, game_id)
    if rewards is not None:
        facts |= rewards.filter(pl.col("turn") == turn, pl.col("sample") == sample).row(0, named=True)
    prompt = facts.pop("prompt")
    text = [
        part["text"] if part["type"] == "text" else f"[picture {', '.join(facts['images'])}]"
        for message in prompt
        for part in message["content"]
    ]
    return View(f"row {game_id} turn {turn} sample {sample}", facts, {}, text)


def _run_overview(run: Path, limit: int) -> View:
    if not (run / "state.json").is_file():
        return View(f"{run}: a run of 'iterate' whose first round is not finished; the same command goes on")
    state = read_json(run / "state.json")
    facts = {**state.pop("schedule"), **state}
    if best := facts.get("best"):  # a policy's votes are counted in the round after the one that made it
        made, right = int(best["iteration"]), best["vote_accuracy"]
        facts["best"] = f"the policy made in round {made}: {right:.3f} of its votes, in round {made + 1}, were right"
    rounds = (
        pl.read_ndjson(run / "metrics.jsonl", infer_schema_length=None)
        if (run / "metrics.jsonl").is_file()
        else pl.DataFrame()
    )
    wanted = ["iteration", "phase", "acc", "na", "acc_ema", "na_ema", "vote_accuracy", "reward_spy", "kept"]
    table = rounds.select([name for name in wanted if name in rounds.columns]).tail(limit)
    if "train" in rounds.columns:
        figures = [name for name in ("loss", "kl", "grad_norm") if name in rounds.schema["train"].to_schema()]  # type: ignore[attr-defined]
        table = table.hstack(rounds.tail(limit).select(pl.col("train").struct.field(figures)))
    return View(f"{run}: a run of 'iterate'", facts, {"rounds": table}, more={"rounds": len(rounds) - len(table)})


def _first_tables(folder: Path, manifest: dict[str, Any], limit: int) -> tuple[dict[str, pl.DataFrame], dict[str, int]]:
    shown, more = {}, {}
    for name in manifest["outputs"]:
        if name.endswith(".parquet") and not Path(name).name.startswith("part-"):
            frame = pl.scan_parquet(folder / name, glob=False).head(limit).collect()
            short = [column for column, kind in frame.schema.items() if _is_short(column, kind)]
            shown[name] = frame.select(short)
            more[name] = int(pl.scan_parquet(folder / name, glob=False).select(pl.len()).collect().item()) - len(frame)
    return shown, more


def _is_short(column: str, kind: pl.DataType) -> bool:
    return not kind.is_nested() and "sha256" not in column and column not in {"scene", "modified_scene"}


def _folders(folder: Path) -> tuple[Path, Path | None]:
    """The rollouts folder behind any output, and the scored one if there is one."""
    if folder.name in SIDES and (folder.parent / artifact.MANIFEST).is_file():
        return folder, None  # one side of an evaluation
    stage = artifact.manifest_of(folder)["stage"]
    if stage == "evaluate":
        raise InputError(f"{folder}: two sides were played; give {folder}/civilians or {folder}/spy")
    if stage == "rollout":
        sibling = folder.with_name("scored")
        belongs = (sibling / artifact.MANIFEST).is_file() and artifact.input_of(sibling, "rollouts") == folder
        return folder, sibling if belongs else None
    if stage == "score":
        return artifact.input_of(folder, "rollouts"), folder
    if stage in {"filter", "train"}:
        return _folders(artifact.input_of(folder, "scored" if stage == "filter" else "kept"))
    raise InputError(
        f"{folder}: an output of '{stage}' holds no played games; give a folder of rollouts or scored rows"
    )


def _choose(games: pl.DataFrame, which: str, folder: Path) -> dict[str, Any]:
    if which.isdigit() and 1 <= int(which) <= len(games):
        return games.row(int(which) - 1, named=True)
    found = games.filter(pl.col("game_id") == which)
    if found.is_empty():
        raise InputError(f"{folder}: no game '{which}'; give a game_id or a number from 1 to {len(games)}")
    return found.row(0, named=True)


def _game_rows(rollouts: Path, game_id: str) -> pl.DataFrame:
    parts = sorted(rollouts.glob("part-*.parquet"))
    return pl.scan_parquet(parts, glob=False).filter(pl.col("game_id") == game_id).collect()


def _rewards(scored: Path | None, game_id: str) -> pl.DataFrame | None:
    if scored is None:
        return None
    columns = [*tables.KEY, "votes_received", "reward", "baseline", "advantage", "truncated"]
    return tables.read(scored / "scored.parquet", tables.SCORED, columns).filter(pl.col("game_id") == game_id)


def _pair_facts(rollouts: Path, pair_id: str) -> dict[str, Any]:
    games = artifact.input_of(rollouts if (rollouts / artifact.MANIFEST).is_file() else rollouts.parent, "games")
    columns = ["pair_id", "original", "modified", "changes", "scene"]
    pair = tables.read(games / "pairs.parquet", tables.PAIRS, columns).filter(pl.col("pair_id") == pair_id)
    facts = pair.drop("pair_id").row(0, named=True)
    return {
        "pictures": [str(games / facts[name]) for name in ("original", "modified") if facts[name]],
        "changes": [line.text for line in change_lines(facts["changes"], scene_of(facts["scene"]))],
    }
