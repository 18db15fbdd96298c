"""From the evaluations of all seeds to one table, and the claims that it has to bear."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import polars as pl

from stages.evaluate.intervals import estimate
from tests.learning.rungs import Rung

# Two-sided 95 % quantiles of Student's t for 1, 2, … degrees of freedom.
STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)

# name → where in evaluation.json
MEASURES = {
    "sampled": ("decision", "change", "sampled"),
    "greedy": ("decision", "change", "greedy"),
    "na": ("decision", "current", "na"),
    "transfer": ("transfer", "change"),
    "clues true": ("clues", "civilian", "true"),
    "clues copied": ("clues", "civilian", "copied"),
    "spy true": ("clues", "spy", "true"),
    "spy safe": ("clues", "spy", "true_of_civilians_picture"),
    "spy copied": ("clues", "spy", "copied"),
    "found as civilians": ("arena", "as_civilians", "win_rate"),
    "hidden as spy": ("arena", "as_spy", "win_rate"),
}

Figures = dict[str, Any]


def read_arm(run: Path, evaluation: Path, abilities: tuple[Path, Path] | None = None) -> Figures:
    """All that is used of one seed's run: its final evaluation, tables to pool, the evaluations on the way, and what
    its `abilities`, before and after, changed by."""
    on_the_way = run / "evaluations.jsonl"
    lines = on_the_way.read_text(encoding="utf-8").splitlines() if on_the_way.is_file() else []
    rounds = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return {
        "evaluation": json.loads((evaluation / "evaluation.json").read_text(encoding="utf-8")),
        "won": pl.read_parquet(evaluation / "arena.parquet").select("pair_id", value=pl.col("won").cast(pl.Float64)),
        "transfer": _changes(pl.read_parquet(evaluation / "answers.parquet")),
        "curve": [json.loads(line) for line in lines],
        "phases": [row["phase"] for row in rounds],
        "abilities": changes(*(json.loads(path.read_text("utf-8")) for path in abilities)) if abilities else {},
    }


def _changes(answers: pl.DataFrame) -> pl.DataFrame:
    wide = answers.pivot(on="policy", index=["question_id", "pair_id"], values="correct")
    return wide.select("pair_id", value=pl.col("current").cast(pl.Float64) - pl.col("opponent").cast(pl.Float64))


def summarise(read: Mapping[str, Mapping[int, Figures]]) -> Figures:
    """Per arm: each measure by seed with mean and t-interval over seeds; wins and transfer pooled over all seeds'
    games and questions, the pairs of pictures as clusters; and the curves."""
    return {arm: _arm(seeds) for arm, seeds in read.items()}


def _arm(seeds: Mapping[int, Figures]) -> Figures:
    measures = {
        name: over_seeds({seed: figure_at(one["evaluation"], path) for seed, one in seeds.items()})
        for name, path in MEASURES.items()
    }
    before = {
        name: over_seeds(
            {seed: figure_at(one["evaluation"], ("decision", "opponent", name)) for seed, one in seeds.items()}
        )
        for name in ("sampled", "greedy", "na")
    }
    if len(seeds) == 1:
        (only,) = seeds.values()
        for name in ("sampled", "greedy"):
            measures[name]["interval"] = only["evaluation"]["decision"]["change"][f"{name}_interval"]
    kept = {name for one in seeds.values() for name in one["abilities"]}
    return {
        "before": before,
        "measures": measures,
        "abilities": {
            name: over_seeds({seed: one["abilities"][name] for seed, one in seeds.items()}) for name in sorted(kept)
        },
        "win rate": _pooled(seeds, "won", 0.0),
        "transfer": _pooled(seeds, "transfer", -1.0),
        "curves": {str(seed): one["curve"] for seed, one in seeds.items()},
        "phases": {str(seed): one["phases"] for seed, one in seeds.items()},
    }


def figure_at(figures: Mapping[str, Any], path: tuple[str, ...]) -> float:
    """The figure of an evaluation at `path`."""
    value: Any = figures
    for key in path:
        value = value[key]
    return float(value)


def changes(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What the abilities changed by; perplexity as a share of what it was."""
    found = {name: after[name] - before[name] for name in after}
    return found | {"perplexity": after["perplexity"] / before["perplexity"] - 1}


def over_seeds(values: Mapping[int, float]) -> Figures:
    """Mean over seeds and Student's interval; no interval for one seed."""
    own = list(values.values())
    half = STUDENT[len(own) - 2] * stdev(own) / math.sqrt(len(own)) if len(own) > 1 else math.inf
    centre = mean(own)
    interval = [centre - half, centre + half] if len(own) > 1 else None
    return {"seeds": {str(seed): value for seed, value in values.items()}, "mean": centre, "interval": interval}


def _pooled(seeds: Mapping[int, Figures], name: str, least: float) -> Figures:
    values: list[float] = []
    clusters: list[str] = []
    for seed, one in seeds.items():
        values += one[name]["value"].to_list()
        clusters += [f"{seed}/{pair}" for pair in one[name]["pair_id"]]
    found = estimate(values, clusters, least=least)
    by_seed = {str(seed): one[name]["value"].mean() for seed, one in seeds.items()}
    return {"seeds": by_seed, "mean": found.mean, "interval": [found.low, found.high], "count": len(values)}


def claims(figures: Figures, rung: Rung) -> dict[str, tuple[bool, str]]:
    """Claim → whether it holds, and the figures it rests on. With one seed, intervals are over its transcripts."""
    learned, control = figures["iterative-spo"], figures["shuffled"]
    sampled, greedy = learned["measures"]["sampled"], learned["measures"]["greedy"]
    won, transfer = learned["win rate"], learned["transfer"]
    idle = control["measures"]["sampled"]
    found = {
        "sampled accuracy rises for every seed": (min(sampled["seeds"].values()) > 0, _shown(sampled)),
        "greedy accuracy rises for every seed": (min(greedy["seeds"].values()) > 0, _shown(greedy)),
        f"sampled accuracy rises by {rung.gain} on average": (sampled["mean"] >= rung.gain, _shown(sampled)),
        f"its interval's low end is above {rung.gain_low}": (sampled["interval"][0] > rung.gain_low, _shown(sampled)),
        "win rate against the base is 0.60 or more": (won["mean"] >= 0.60, _shown(won)),
        "the low end of its interval is above 0.5": (won["interval"][0] > 0.5, _shown(won)),
        "transfer: the interval's low end is above -0.02": (transfer["interval"][0] > -0.02, _shown(transfer)),
        "control: shuffled advantages do not raise sampled accuracy": (idle["mean"] <= 0.02, _shown(idle)),
        "control: the interval of its win rate does not lie above 0.5": (
            control["win rate"]["interval"][0] <= 0.5,
            _shown(control["win rate"]),
        ),
    }
    if rung.abilities:
        kept = learned["abilities"]
        changes = {name: figure["mean"] for name, figure in kept.items()}
        shown = {name: _shown(figure) for name, figure in kept.items()}
        for name in ("captions_right", "attributes_right"):
            found[f"{name.replace('_', ' ')}: no more than 0.01 lower"] = (changes[name] >= -0.01, shown[name])
        found["perplexity: no more than 3 % higher"] = (changes["perplexity"] <= 0.03, shown["perplexity"])
    return found


def _shown(figure: Figures) -> str:
    interval = figure["interval"]
    seeds = ", ".join(f"{value:+.3f}" for value in figure["seeds"].values())
    return f"{figure['mean']:+.3f}" + (f" [{interval[0]:+.3f}, {interval[1]:+.3f}]" if interval else "") + f" ({seeds})"


def table(figures: Figures) -> str:
    """Markdown: a row an arm. Changes are after minus before on the same transcripts and questions."""
    names = ["sampled", "greedy", "na", "clues true", "clues copied", "spy safe", "spy copied"]
    head = ["arm", "seeds", "win rate", "transfer", *names]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for arm, own in figures.items():
        cells = [
            f"{own['measures'][name]['mean']:+.3f}"
            if name in ("sampled", "greedy")
            else f"{own['measures'][name]['mean']:.3f}"
            for name in names
        ]
        won, transfer = own["win rate"], own["transfer"]
        pooled = [
            f"{won['mean']:.3f} [{won['interval'][0]:.3f}, {won['interval'][1]:.3f}]",
            f"{transfer['mean']:+.3f} [{transfer['interval'][0]:+.3f}, {transfer['interval'][1]:+.3f}]",
        ]
        lines.append(f"| {' | '.join([arm, str(len(won['seeds'])), *pooled, *cells])} |")
    return "\n".join(lines)
