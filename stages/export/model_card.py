"""The model's card: YAML that the hub reads, then how the model was trained and what was measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from stages.core.errors import InputError
from stages.core.pages.results import BENCHMARK_COLUMNS, Results, benchmark_rows
from stages.core.pages.run_files import Values, flat
from stages.core.yaml_text import parse_yaml
from stages.export.history import History
from stages.export.markdown import template

HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
CACHED = re.compile(r"models--(?P<owner>[\w.-]+?)--(?P<name>[\w.-]+)")  # a folder of the hub's cache
SHOWN = {
    "arena.win_rate": "win rate against the base",
    "arena.as_civilians.win_rate": "… as the civilians",
    "arena.as_spy.win_rate": "… as the spy",
    "decision.change.sampled": "change in the share of right votes, on the same games",
    "clues.civilian.true": "clues of civilians that are true of their picture",
    "transfer.change": "change in the share of right answers outside the game",
}


@dataclass(frozen=True)
class About:
    """What the card describes."""

    base: str  # as the checkpoint names it: a hub name, a folder, or nothing
    merged: bool
    history: History | None
    results: Sequence[Results]
    license: str | None
    has_license_file: bool

    @property
    def hub_base(self) -> str | None:
        """The base's name on the hub, even if only its folder in the hub's cache is known."""
        if cached := CACHED.search(self.base):
            return f"{cached['owner']}/{cached['name']}"
        return self.base if HUB_NAME.fullmatch(self.base) and not Path(self.base).exists() else None

    @property
    def base_name(self) -> str:
        return self.hub_base or Path(self.base).name or "an unnamed model"


@dataclass(frozen=True)
class Figure:
    """A figure of an evaluation with its confidence interval."""

    meaning: str
    value: float
    low: float
    high: float


def model_card(about: About) -> str:
    """Front matter and Markdown."""
    history = about.history
    settings = history.settings if history else {}
    evaluations = [
        (f"after round {row['iteration']}", _figures(row)) for row in (history.evaluations if history else [])
    ]
    evaluations = evaluations[-1:] + [
        ("measured for this card", _figures(found.figures)) for found in about.results if found.stage == "evaluate"
    ]
    given = [found for found in about.results if found.stage == "benchmark"]
    benchmarks = given or ([history.benchmark] if history and history.benchmark else [])
    text = template("model_card.md.j2").render(
        about=about,
        history=history,
        settings=yaml.safe_dump(settings, sort_keys=False, allow_unicode=True) if settings else "",
        evaluations=[(when, figures) for when, figures in evaluations if figures],
        benchmarks=[(found.figures.get("note", ""), benchmark_rows(found.figures)) for found in benchmarks],
        columns=BENCHMARK_COLUMNS,
    )
    return f"---\n{_front_matter(about)}---\n{text}"


def license_of(folder: Path) -> str | None:
    """The license that a model's own card states."""
    card = folder / "README.md"
    parts = card.read_text(encoding="utf-8", errors="replace").split("---\n") if card.is_file() else []
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        found = parse_yaml(parts[1], str(card))
    except InputError:
        return None
    license = found.get("license") if isinstance(found, dict) else None
    return license if isinstance(license, str) else None


def _front_matter(about: About) -> str:
    body: Values = {"license": about.license} if about.license else {}
    if about.hub_base:
        body |= {"base_model": about.hub_base, "base_model_relation": "finetune"}
    body |= {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["vision-zero", "self-play", "grpo"],
    }
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True)


def _figures(body: Values) -> list[Figure]:
    found, values = [], flat(body)
    for name, meaning in SHOWN.items():
        value, interval = values.get(name), values.get(f"{name}_interval")
        if isinstance(value, int | float) and isinstance(interval, list):
            found.append(Figure(meaning, float(value), *map(float, interval)))
    return found
