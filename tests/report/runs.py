"""What a hostile model could write into a run, and how a test changes a run's rounds."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.core.folder.files import write_json
from tests.helpers import manifest_of_stage

ROUNDS = 6
EVIL = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "\" onmouseover='alert(3)' x=\"",
    "{{ 7 * 7 }} {% raw %} &lt;b&gt; \u2028 \u202e x",
]


def evil_round(row: dict[str, Any]) -> None:
    number = row["iteration"]
    row["warnings"] = ["<script>alert(6)</script>"]
    row["evaluation"] = {"<script>alert(7)</script>": {"<b>": number / 10, "<b>_interval": [0, number / 5]}}
    row["train"]["kl"] = [number, None, math.nan][number % 3]


def write_benchmark(folder: Path, note: str = "") -> Path:
    """An output of vz benchmark with one task."""
    row = {"task": "chartqa", "metric": "relaxed_overall", "samples": 2500, "base": 0.861, "model": 0.872}
    row |= {"difference": 0.011, "difference_interval": [0.002, 0.02], "wins": 80, "losses": 52}
    folder.mkdir()
    write_json(folder / "manifest.json", manifest_of_stage("benchmark"))
    write_json(folder / "benchmark.json", {"tasks": [row], "note": note})
    return folder


def change_rounds(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for row in rows:
        change(row)
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
