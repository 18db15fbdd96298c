"""Lists the outputs of vz in a folder and below it, and what to run next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from stages.inspect.kinds import Output, model_at, output_at, unfinished_in
from stages.inspect.next_steps import first_steps, steps_for, to_continue
from stages.inspect.view import View

DEEPEST = 3  # levels of folders to search
COLUMNS = ["what", "where", "holds", "state", "written"]


def survey(folder: Path, limit: int) -> View:
    """Up to `limit` outputs and models in `folder`, newest first; commands for the newest one and unfinished runs."""
    found = sorted(outputs_below(folder), key=lambda output: -output.when)
    if not found:
        return View(f"{folder}: contains no output of vz", next=first_steps())
    view = View(f"{folder}: {len(found)} output{'s' if len(found) > 1 else ''} of vz, or models")
    rows = [_row(output, folder) for output in found[:limit]]
    view.tables["here"] = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")
    view.more["here"] = max(0, len(found) - limit)
    finished = [output for output in found if output.state != "unfinished"]
    for output in [*(each for each in found if each.state == "unfinished" and each.stage == "iterate")][:2]:
        view.next |= to_continue(output.folder)
    view.next |= steps_for(finished[0]) if finished else {}
    return view


def outputs_below(folder: Path, depth: int = DEEPEST) -> Iterator[Output]:
    """The outputs and models in `folder` and below, except in hidden folders and inside outputs."""
    yield from unfinished_in(folder)
    try:
        inner = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    for path in (folder / name for name in inner if not name.startswith(".")):
        if (found := output_at(path) or model_at(path)) is not None:
            yield found
        elif depth > 1:
            yield from outputs_below(path, depth - 1)


def _row(output: Output, folder: Path) -> tuple[str, ...]:
    written = datetime.fromtimestamp(output.when).strftime("%Y-%m-%d %H:%M")
    return output.kind, str(output.folder.relative_to(folder)), output.holds, output.state, written
