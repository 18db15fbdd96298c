"""Which curves a run has: the figures of its rounds, and those of its held-out evaluations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stages.report.curves import Series, Shade, chart
from stages.report.run_files import Metrics, RunFiles, at_path

SHARE = (0.0, 1.0)
FROM_ZERO = (0.0, 0.0)
INTERVAL = "_interval"  # `x_interval: [low, high]` beside `x` is its band
CHANCE = "chance"
EVEN = dict.fromkeys(("win_rate", "arena"), (0.5, "even"))  # with both roles played, equals win half their games

Path = tuple[str, ...]  # of keys, to a figure of an evaluation
Point = tuple[float | None, float | None, float | None]  # value, low, high


@dataclass(frozen=True)
class Figure:
    """A chart: names of curves, and where a row of metrics.jsonl has their values (`a.b`, or `a / b`)."""

    title: str
    curves: Mapping[str, str]
    y_label: str
    y_range: tuple[float, float] | None = None
    reference: float | None = None
    reference_label: str | None = None


def round_figures(run: RunFiles) -> list[Figure]:
    """What is drawn of every round."""
    players, gate = run.setting("game.players"), run.setting("iterate.acc_high")
    adaptive = run.setting("iterate.switching") == "adaptive"
    chance = (1 / players, f"chance 1/{players}") if players else (None, None)
    switch = (gate, f"to the clue phase from {gate:g}") if adaptive and gate else (None, None)
    found = "spy found (acc, held out)" if run.setting("iterate.signal") == "heldout" else "spy found (acc)"
    shares = {"votes right": "vote_accuracy", found: "acc", "N/A": "na"}
    rewards = {"spies": "reward_spy", "civilians": "reward_civilian", "votes": "reward_decision"}
    misread = {
        "cut off": "truncated / rows",
        "unreadable clues": "unreadable_clues / clues",
        "unreadable votes": "unreadable_votes / votes",
    }
    gap = "train.logprob_gap"
    gaps = {"mean": f"{gap}_mean", "99.9 % of tokens": f"{gap}_tail", "largest": f"{gap}_max"}
    return [
        Figure("Votes and games", shares, "share", SHARE, *chance),
        Figure("Moving averages that switch the phase", {"acc": "acc_ema", "N/A": "na_ema"}, "EMA", SHARE, *switch),
        Figure("Mean rewards", rewards, "reward", None, 0.0),
        Figure("KL to the start model", {"KL": "train.kl"}, "KL per token", FROM_ZERO),
        Figure("Entropy", {"entropy": "train.entropy"}, "nats per token", FROM_ZERO),
        Figure("Gradient norm", {"gradient norm": "train.grad_norm"}, "norm", FROM_ZERO),
        Figure("Loss before the step", {"loss": "train.loss"}, "loss"),
        Figure("Learning rate", {"learning rate": "train.learning_rate"}, "learning rate", FROM_ZERO),
        Figure("Rows that trained", {"rows": "kept"}, "rows", FROM_ZERO),
        Figure("Length of an answer", {"tokens": "completion_tokens / rows"}, "tokens", FROM_ZERO),
        Figure("Answers cut off or unreadable", misread, "share", FROM_ZERO),
        Figure("Log-prob gap of player and trainer", gaps, "nats", FROM_ZERO),
    ]


def round_charts(run: RunFiles) -> list[str]:
    """The figures of the rounds as SVG, clue phases shaded."""
    numbers = [row["iteration"] for row in run.rounds]
    shaded = clue_phases(run.rounds)
    return [
        chart(
            figure.title,
            [Series(name, numbers, [value_of(row, at) for row in run.rounds]) for name, at in figure.curves.items()],
            x_label="round",
            y_label=figure.y_label,
            y_range=figure.y_range,
            reference=figure.reference,
            reference_label=figure.reference_label,
            shaded=shaded,
        )
        for figure in round_figures(run)
    ]


def evaluation_charts(run: RunFiles) -> list[str]:
    """The figures of the evaluations as SVG, a chart a group. A group's `chance` is its dashed line."""
    charts, rows = [], run.evaluations
    for group, series in evaluation_series(rows).items():
        shares = all(0 <= value <= 1 for one in series for value in _all_values(one))
        chance = [value for row in rows if (value := value_of(row, f"evaluation.{group}.{CHANCE}")) is not None]
        line, name = (chance[-1], CHANCE) if chance else EVEN.get(group, (None, None))
        drawn = chart(
            _title(group),
            series,
            x_label="round",
            x_range=(run.rounds[0]["iteration"], run.rounds[-1]["iteration"]),
            y_label="share" if shares else "value",
            y_range=SHARE if shares else None,
            reference=line,
            reference_label=name,
            shaded=clue_phases(run.rounds),
        )
        charts.append(drawn)
    return charts


def evaluation_series(rows: Sequence[Metrics]) -> dict[str, list[Series]]:
    """The curves in the `evaluation` objects of the rows, by the objects' own top-level keys.

    A curve is every number that has an interval beside it (`x`, `x_interval: [low, high]`), which is its band; in a
    group without any interval every fraction is one. A round without an evaluation has no point.
    """
    found: dict[Path, dict[int, Point]] = {}
    for row in rows:
        if isinstance(row.get("evaluation"), dict):
            for path, point in _points(row["evaluation"], ()):
                found.setdefault(path, {})[row["iteration"]] = point
    judged = {path[0] for path, points in found.items() if _has_interval(points)}
    groups: dict[str, list[Series]] = {}
    for path, points in found.items():
        if path[0] not in judged or _has_interval(points):
            groups.setdefault(path[0], []).append(_series(path, points))
    return groups


def clue_phases(rows: Sequence[Metrics]) -> list[Shade]:
    """Where clues trained: stretches of rounds, from half a round before the first to half a round after the last."""
    stretches: list[Shade] = []
    for row in rows:
        if row.get("phase") == "clue":
            start, end = row["iteration"] - 0.5, row["iteration"] + 0.5
            if stretches and stretches[-1][1] == start:
                start = stretches.pop()[0]
            stretches.append((start, end, ""))  # the page says what they are, once for all charts
    return stretches


def value_of(row: Metrics, at: str) -> float | None:
    """The value of a row at `a.b`, or the ratio at `a / b`; None where there is none that can be drawn."""
    if " / " in at:
        above, below = (value_of(row, part) for part in at.split(" / "))
        return above / below if above is not None and below else None
    return _finite(at_path(row, at))


def _points(body: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Point]]:
    for key, value in body.items():
        low, high = _interval(body.get(f"{key}{INTERVAL}"))
        if isinstance(value, dict):
            yield from _points(value, (*path, key))
        elif key != CHANCE and (isinstance(value, float) or (_finite(value) is not None and low is not None)):
            yield (*path, key), (_finite(value), low, high)


def _interval(given: Any) -> tuple[float | None, float | None]:
    """In order: where both ends are equal, rounding may have put them the wrong way round."""
    low, high = map(_finite, given) if isinstance(given, list) and len(given) == 2 else (None, None)
    return (low, high) if low is None or high is None else (min(low, high), max(low, high))


def _has_interval(points: Mapping[int, Point]) -> bool:
    return any(low is not None and high is not None for _, low, high in points.values())


def _series(path: Path, points: Mapping[int, Point]) -> Series:
    y, low, high = zip(*points.values(), strict=True)
    name = " · ".join(part.replace("_", " ") for part in path[1:] or path)
    return Series(name, list(points), y, low, high) if _has_interval(points) else Series(name, list(points), y)


def _all_values(one: Series) -> list[float]:
    return [value for value in (*one.y, *(one.low or ()), *(one.high or ())) if value is not None]


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _title(group: str) -> str:
    words = group.replace("_", " ")
    return words[:1].upper() + words[1:]
