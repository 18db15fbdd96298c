"""A run's charts: figures of its rounds, and of its held-out evaluations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from stages.core.pages.curves import Chart, Curve, Json, Point
from stages.core.pages.run_files import RunFiles, Values

SHARE: Json = {"domain": [0, 1]}
FROM_ZERO: Json = {"zero": True}
INTERVAL = "_interval"  # `x_interval: [low, high]` next to `x` is its band
CHANCE = "chance"
EVEN = dict.fromkeys(
    ("win_rate", "arena"), (0.5, "even")
)  # since both roles are played, equal policies win half their games


def round_charts(run: RunFiles) -> list[Chart]:
    """The charts of all rounds. A curve is a value in metrics.jsonl (`a.b`) or a ratio of two (`a / b`)."""

    def chart(
        title: str, unit: str, values: dict[str, str], scale: Json, line: tuple[float, str] | None = None
    ) -> Chart:
        curves = [
            Curve(name, {row["iteration"]: (value_of(row, at), None, None) for row in run.rounds})
            for name, at in values.items()
        ]
        return Chart(title, unit, curves, run.x_range, scale, line, clue_phases(run.rounds))

    players, gate = run.recipe.get("game.players"), run.recipe.get("iterate.acc_high")
    chance = (1 / players, f"chance 1/{players}") if players else None
    switch = (gate, f"clue phase from {gate:g}") if gate and run.recipe.get("iterate.switching") == "adaptive" else None
    found = "spy found (acc, held out)" if run.recipe.get("iterate.signal") == "heldout" else "spy found (acc)"
    accuracies = {"vote accuracy": "vote_accuracy", found: "acc", "N/A": "na"}
    averages = {"acc": "acc_ema", "N/A": "na_ema"}
    rewards = {"spy": "reward_spy", "civilian": "reward_civilian", "vote": "reward_decision"}
    faults = {
        "truncated": "truncated / rows",
        "unreadable clues": "unreadable_clues / clues",
        "unreadable votes": "unreadable_votes / votes",
    }
    gap = "train.logprob_gap"
    gaps = {"mean": f"{gap}_mean", "99.9th percentile": f"{gap}_tail", "maximum": f"{gap}_max"}
    return [
        chart("Accuracy", "share", accuracies, SHARE, chance),
        chart("Moving averages that switch the phase", "EMA", averages, SHARE, switch),
        chart("Mean reward", "", rewards, {}, (0.0, "zero")),
        chart("KL from the base model", "nats per token", {"KL": "train.kl"}, FROM_ZERO),
        chart("Policy entropy", "nats per token", {"entropy": "train.entropy"}, FROM_ZERO),
        chart("Gradient norm", "", {"gradient norm": "train.grad_norm"}, FROM_ZERO),
        chart("Training loss", "", {"loss": "train.loss"}, {}),
        chart("Learning rate", "", {"learning rate": "train.learning_rate"}, FROM_ZERO),
        chart("Training rows", "", {"rows": "kept"}, FROM_ZERO),
        chart("Completion length", "tokens", {"tokens": "completion_tokens / rows"}, FROM_ZERO),
        chart("Truncated and unreadable completions", "share", faults, FROM_ZERO),
        chart("Log-probability gap, engine to trainer", "nats", gaps, FROM_ZERO),
    ]


def time_charts(run: RunFiles) -> list[Chart]:
    """How each round spent its time; no chart for runs without a breakdown."""
    timed = {row["iteration"]: row for row in run.timings if "breakdown.total" in row}
    if not timed:
        return []
    curves = [
        Curve(name, {number: (value_of(row, f"breakdown.{name}"), None, None) for number, row in timed.items()})
        for name in ("engine", "optimizer", "overhead")
    ]
    return [Chart("Time of a round", "seconds", curves, run.x_range, FROM_ZERO, None, clue_phases(run.rounds))]


def evaluation_charts(run: RunFiles) -> list[Chart]:
    """A chart for each top-level key of the evaluations. A group's `chance` is its dashed line."""
    charts = []
    for group, curves in evaluation_curves(run.evaluations).items():
        values = [part for curve in curves for point in curve.points.values() for part in point if part is not None]
        is_share = all(0 <= value <= 1 for value in values)
        chances = [row[f"{group}.{CHANCE}"] for row in run.evaluations if f"{group}.{CHANCE}" in row]
        line = (chances[-1], CHANCE) if chances else EVEN.get(group)
        x_range = min(run.x_range[0], run.evaluations[0]["iteration"]), run.x_range[1]
        scale, unit = (SHARE, "share") if is_share else ({}, "")
        title = group.replace("_", " ").capitalize()
        charts.append(Chart(title, unit, curves, x_range, scale, line, clue_phases(run.rounds)))
    return charts


def evaluation_curves(rows: Sequence[Values]) -> dict[str, list[Curve]]:
    """The curves in evaluation rows, by the first part of their names.

    Every number with an interval next to it (`x`, `x_interval: [low, high]`) is a curve; in a group without intervals,
    every fraction is one.
    """
    found: dict[str, dict[int, Point]] = {}
    for row in rows:
        for name, value in row.items():
            low, high = _interval(row.get(name + INTERVAL))
            is_curve = isinstance(value, float) or (_finite(value) is not None and low is not None)
            if is_curve and name.split(".")[-1] != CHANCE:
                found.setdefault(name, {})[row["iteration"]] = _finite(value), low, high
    with_intervals = {name.split(".")[0] for name, points in found.items() if _has_interval(points)}
    groups: dict[str, list[Curve]] = {}
    for name, points in found.items():
        group, _, rest = name.partition(".")
        if group not in with_intervals or _has_interval(points):
            shown = (rest or group).replace("_", " ").replace(".", " · ")
            groups.setdefault(group, []).append(Curve(shown, points))
    return groups


def clue_phases(rows: Sequence[Values]) -> list[tuple[float, float]]:
    """Stretches that trained clues, from half a round before the first round to half a round after the last."""
    stretches: list[tuple[float, float]] = []
    for row in rows:
        if row.get("phase") == "clue":
            start, end = row["iteration"] - 0.5, row["iteration"] + 0.5
            if stretches and stretches[-1][1] == start:
                start, _ = stretches.pop()
            stretches.append((start, end))
    return stretches


def value_of(row: Values, at: str) -> float | None:
    """A row's value at `a.b`, or the ratio at `a / b`; None unless it is a finite number."""
    if " / " in at:
        above, below = (value_of(row, part) for part in at.split(" / "))
        return above / below if above is not None and below else None
    return _finite(row.get(at))


def _interval(given: Any) -> tuple[float | None, float | None]:
    """The ends in order, since rounding may swap ends that are equal."""
    low, high = map(_finite, given) if isinstance(given, list) and len(given) == 2 else (None, None)
    return (low, high) if low is None or high is None else (min(low, high), max(low, high))


def _has_interval(points: Mapping[int, Point]) -> bool:
    return any(low is not None and high is not None for _, low, high in points.values())


def _finite(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None
