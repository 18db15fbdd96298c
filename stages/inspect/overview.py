"""Describes any folder: an output, a run, one of its rounds, a part of these, or several outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from stages.core import tables
from stages.core.errors import InputError, first_line
from stages.core.folder import artifact
from stages.core.folder.files import read_json
from stages.core.pages.results import BENCHMARK_COLUMNS, benchmark_rows
from stages.core.pages.run_files import read_rows
from stages.inspect.kinds import ROUND, SIDES, is_round, model_at, output_at, output_stage, unfinished_in
from stages.inspect.next_steps import steps_for, to_continue, to_read
from stages.inspect.survey import COLUMNS, survey
from stages.inspect.view import View

ROUND_COLUMNS = ["iteration", "phase", "acc", "na", "acc_ema", "na_ema", "vote_accuracy", "reward_spy", "kept"]
TRAIN_COLUMNS = ["loss", "kl", "grad_norm"]
LARGEST = 3  # parts of the overhead to show
TABLES = "*.parquet"
LONG_TEXTS = {"scene", "modified_scene"}
STEPS = COLUMNS[:-1]  # of a round; without the times, which are all about the same
ORDER = ["deal", "rollout", "score", "filter", "train", "evaluate", "benchmark"]


def overview(folder: Path, limit: int) -> View:
    """What the folder is, its counts, and the first `limit` rows of its tables (or the last rounds of a run)."""
    folder = folder.resolve()
    if not folder.is_dir():
        raise InputError(f"{folder}: {'is a file; give a folder' if folder.exists() else 'no such folder'}")
    if is_round(folder):
        return _round(folder)
    if (folder / artifact.MANIFEST).is_file():
        return _output(folder, limit)
    if (folder / "state.json").is_file():
        state = _read_state(folder)
        return View(f"{folder}: a training state", {**state, "files": ", ".join(state.get("files", {}))})
    if (folder / artifact.CLAIM).is_file():
        return _unfinished(folder)
    if folder.name in SIDES and output_stage(folder.parent) == "evaluate":
        return _with_tables(View(f"{folder}: one side of an evaluation"), folder, folder.glob(TABLES), limit)
    if (model := model_at(folder)) is not None:
        return View(f"{folder}: {model.kind} that vz did not make", {"type": model.holds}, next=steps_for(model))
    inside = next((parent for parent in folder.parents if output_stage(parent)), None)
    return survey(folder, limit) if inside is None else _part(folder, inside, limit)


def _output(folder: Path, limit: int) -> View:
    manifest = artifact.manifest_of(folder)
    found = output_at(folder)
    assert found is not None  # it has a manifest
    if manifest["stage"] == "iterate":
        view = _run(folder, limit)
        view.facts |= {"state": found.state} if view.facts else {}
        view.next = (to_continue(folder) if found.state == "unfinished" else {}) | steps_for(found)
        return view
    view = View(f"{folder}: an output of '{manifest['stage']}'", next=steps_for(found))
    sources = {name: given["path"] for name, given in manifest["inputs"].items()}
    view.facts = {"stage": manifest["stage"], "finished": manifest["finished"], "from": sources, **manifest["counts"]}
    if manifest["stage"] == "benchmark":
        rows = benchmark_rows({"tasks": view.facts.pop("tasks")})
        view.tables["tasks"] = pl.DataFrame(rows, schema=list(BENCHMARK_COLUMNS), orient="row")
    if manifest["warnings"]:
        view.facts["warnings"] = manifest["warnings"]
    return _with_tables(view, folder, folder.rglob(TABLES), limit)


def _with_tables(view: View, folder: Path, files: Iterable[Path], limit: int) -> View:
    """The view with the first rows of these tables, except the parts of rollouts, whose rows are long."""
    for file in sorted(file for file in files if not file.name.startswith("part-")):
        name = str(file.relative_to(folder))
        with tables.readable(file):
            table = pl.scan_parquet(file, glob=False)
            total = int(table.select(pl.len()).collect().item())
            view.tables[name] = _short_columns(table.head(limit).collect())
        view.more[name] = max(0, total - limit)
    return view


def _run(run: Path, limit: int) -> View:
    if not (run / "state.json").is_file():
        return View(f"{run}: a run of 'iterate' in its first round; the same command continues it")
    state = _read_state(run, "schedule", "iteration")
    with _as_written(run / "state.json"):
        view = View(f"{run}: a run of 'iterate'", {**state.pop("schedule"), **state})
        last = int(state["iteration"])
        if best := state.get("best"):  # a policy's votes count in the round after the one that made it
            made = int(best["iteration"])
            right = f"vote accuracy {best['vote_accuracy']:.3f} in round {made + 1}"
            view.facts["best"] = f"the policy of round {made}: {right}"
    for name, file, rows_of in (("rounds", "metrics.jsonl", _rounds), ("seconds", "timings.jsonl", _times)):
        rows = read_rows(run / file, last) if (run / file).is_file() else []
        with _as_written(run / file):
            table = pl.DataFrame(rows_of(rows), infer_schema_length=None)
        if len(table):
            view.tables[name], view.more[name] = table.tail(limit), max(0, len(table) - limit)
    return view


@contextmanager
def _as_written(file: Path) -> Iterator[None]:
    """Turn any error that odd values in a file cause into one that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, PolarsError) as error:
        raise InputError(f"{file}: has values that vz does not write ({first_line(error)}); restore it") from error


def _read_state(folder: Path, *needed: str) -> dict[str, Any]:
    """The state of a run or a training, which must contain everything in `needed`."""
    state = read_json(folder / "state.json")
    if not isinstance(state, dict) or any(name not in state for name in needed):
        raise InputError(f"{folder / 'state.json'}: is not a state that vz wrote; restore the file")
    return state


def _rounds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The main figures of each round."""
    trained = [{**(row.get("train") or {})} for row in rows]
    shown = [name for name in ROUND_COLUMNS if any(name in row for row in rows)]
    figures = [name for name in TRAIN_COLUMNS if any(name in row for row in trained)]
    return [
        {**{name: row.get(name) for name in shown}, **{name: train.get(name) for name in figures}}
        for row, train in zip(rows, trained, strict=True)
    ]


def _round(folder: Path) -> View:
    """A round's figures, if it is finished, and its steps so far."""
    number, run = int(folder.name.removeprefix("round-")), folder.parent
    view = View(f"{folder}: round {number} of a run" if number else f"{folder}: what a run does before round 1")
    if (folder / ROUND).is_file():
        end = read_json(folder / ROUND)
        with _as_written(folder / ROUND):
            metrics = {**end["metrics"], "train": {**end["metrics"]["train"]}}
        view.facts = {name: value for name, value in metrics.items() if name not in ("iteration", "train")}
        view.facts["train"] = {name: metrics["train"].get(name) for name in TRAIN_COLUMNS}
        timings = read_rows(run / "timings.jsonl", None) if (run / "timings.jsonl").is_file() else []
        view.facts["seconds"] = next((row for row in timings if row["iteration"] == number), {})
        view.facts["seconds"] = view.facts["seconds"].get("seconds")
    elif number:
        view.facts = {"state": "not finished"}
    made = sorted(folder.glob(f"*/{artifact.MANIFEST}")) + sorted(folder.glob(f"signal/*/{artifact.MANIFEST}"))
    found = [*filter(None, (output_at(place.parent) for place in made)), *unfinished_in(folder)]
    steps = sorted(found, key=lambda step: ORDER.index(step.stage) if step.stage in ORDER else len(ORDER))
    rows = [(step.kind, str(step.folder.relative_to(folder)), step.holds, step.state) for step in steps]
    view.tables["steps"] = pl.DataFrame(rows, schema=dict.fromkeys(STEPS, pl.String), orient="row")
    if any(step.stage in ("rollout", "score") and step.state == "finished" for step in steps):
        view.next = to_read(folder)
    for step in steps:
        view.next |= steps_for(step) if step.stage in ("train", "evaluate") else {}
    return view


def _unfinished(folder: Path) -> View:
    claim = read_json(folder / artifact.CLAIM)
    out = folder.with_name(folder.name.removeprefix(".").removesuffix(".partial"))
    title = f"{folder}: the unfinished output of '{claim['stage']}'; the command that began it continues it"
    return View(title, {"stage": claim["stage"], "becomes": str(out), "from": ", ".join(claim["inputs"])})


def _part(folder: Path, output: Path, limit: int) -> View:
    """A folder inside an output that is not an output itself."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    view = survey(folder, limit)
    view.title = f"{folder}: a part of {output}, which is an output of '{output_stage(output)}'"
    view.facts = {"files": len(files), "bytes": sum(file.stat().st_size for file in files)}
    view.next = {}
    return _with_tables(view, folder, folder.glob(TABLES), limit)


def _times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The seconds of each round, and its largest overheads as text; earlier versions wrote none."""
    return [
        {
            "iteration": row["iteration"],
            **row["breakdown"],
            "largest overheads": ", ".join(f"{name} {took:.2f}" for name, took in [*row["overhead"].items()][:LARGEST]),
        }
        for row in rows
        if "breakdown" in row
    ]


def _short_columns(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        column
        for column, kind in table.schema.items()
        if not kind.is_nested() and "sha256" not in column and column not in LONG_TEXTS
    )
