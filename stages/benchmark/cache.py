"""A cache of answers, keyed by the content of the model, the task, and everything else that decides them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.folder.files import read_json, replace_folder, sha256_text, to_json, write_json

ANSWERS, FACTS = "answers.parquet", "facts.json"


@dataclass(frozen=True)
class Measured:
    """A model's answers to the questions of a task, and how lmms-eval scores them."""

    answers: pl.DataFrame  # tables.BENCHMARK_ANSWERS
    metric: str
    higher_is_better: bool
    own_score: float | None  # lmms-eval's figure, which need not be the mean over questions
    notes: list[str]


def default_cache() -> Path:
    """`vz/benchmark` in the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home, "vz", "benchmark")


class Cache:
    """A folder with an entry for each model and task. Entries appear whole, or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def key(self, decisive: dict[str, Any]) -> str:
        """The name of an entry: a hash of `decisive`."""
        return sha256_text(to_json(decisive))[:32]

    def read(self, key: str) -> Measured | None:
        entry = self._folder / key
        if not entry.is_dir():
            return None
        self.journal(key).unlink(missing_ok=True)  # a kill may have left it
        facts = read_json(entry / FACTS)
        return Measured(tables.read(entry / ANSWERS, tables.BENCHMARK_ANSWERS), **facts)

    def write(self, key: str, measured: Measured, decisive: dict[str, Any]) -> None:
        """Write an entry, and delete the journal of its answers."""
        work = self._folder / f".{key}.partial"
        work.mkdir(parents=True, exist_ok=True)
        tables.write(measured.answers, work / ANSWERS, tables.BENCHMARK_ANSWERS)
        facts = asdict(measured)
        del facts["answers"]
        write_json(work / FACTS, facts)
        write_json(work / "made-of.json", decisive)  # for people
        replace_folder(work, self._folder / key)
        self.journal(key).unlink(missing_ok=True)

    def journal(self, key: str) -> Path:
        """The file that keeps the answers of an unfinished task."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder / f"{key}.jsonl"
