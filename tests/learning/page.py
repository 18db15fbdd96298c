"""The proof as one page: the claims, a table, and curves with bands over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import mean
from typing import Any

from stages.core.pages.curves import Chart, Curve
from stages.report.stage import templates
from tests.learning.summary import Figures, figure_at

# title → where in a line of evaluations.jsonl, label of the axis, line of chance
CURVES: dict[str, tuple[tuple[str, ...], str, float | None]] = {
    "Votes on fixed transcripts, sampled": (("decision", "current", "sampled"), "right", 0.25),
    "Votes on fixed transcripts, greedy": (("decision", "current", "greedy"), "right", 0.25),
    "Games won against the start model": (("arena", "win_rate"), "won", 0.5),
    "Civilians' clues that are true": (("clues", "civilian", "true"), "true", None),
    "The spy's clues that are true of the civilians' picture": (
        ("clues", "spy", "true_of_civilians_picture"),
        "true",
        None,
    ),
}


def page(figures: Figures, claims: Mapping[str, tuple[bool, str]]) -> str:
    """Self-contained HTML; bands are the range over seeds, lines the mean."""
    held = "".join(
        f"<tr><td>{'holds' if holds else '<b>fails</b>'}</td><td>{escape(claim)}</td><td>{escape(shown)}</td></tr>"
        for claim, (holds, shown) in claims.items()
    )
    measured = any(curve for own in figures.values() for curve in own["curves"].values())
    charts = "".join(_chart(title, figures) for title in CURVES) if measured else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>vz: does self-play learn?</title>'
        f"<style>body{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}"
        f"table{{border-collapse:collapse}}td,th{{padding:.2rem .8rem;text-align:left}}"
        f".charts{{display:grid;grid-template-columns:repeat(auto-fit,minmax(30rem,1fr));gap:1.5rem}}{templates().get_template('page.css').render()}</style>"
        f"<h1>Does self-play learn?</h1><table>{held}</table><h2>Curves</h2>"
        f"<p>Lines: mean over seeds; bands: least to most.</p><div class=charts>{charts}</div>"
        f"<h2>All arms</h2>{_table(figures)}</html>\n"
    )


def _chart(title: str, figures: Figures) -> str:
    path, unit, chance = CURVES[title]
    curves = [_curve(arm, list(own["curves"].values()), path) for arm, own in figures.items()]
    rounds = [round for curve in curves for round in curve.points]
    reference = None if chance is None else (chance, "chance")
    chart = Chart(title, unit, curves, (min(rounds), max(rounds)), reference=reference)
    return templates().get_template("charts.html.j2").render(chart=chart)


def _curve(arm: str, seeds: Sequence[Sequence[Mapping[str, Any]]], path: tuple[str, ...]) -> Curve:
    by_round: dict[int, list[float]] = {}
    for curve in seeds:
        for line in curve:
            by_round.setdefault(line["iteration"], []).append(figure_at(line, path))
    return Curve(
        arm, {round: (mean(by_round[round]), min(by_round[round]), max(by_round[round])) for round in sorted(by_round)}
    )


def _table(figures: Figures) -> str:
    names = list(next(iter(figures.values()))["measures"]) if figures else []
    head = "".join(f"<th>{escape(name)}</th>" for name in ("arm", "win rate", *names))
    rows = "".join(
        f"<tr><td>{escape(arm)}</td><td>{own['win rate']['mean']:.3f}</td>"
        + "".join(f"<td>{own['measures'][name]['mean']:+.3f}</td>" for name in names)
        + "</tr>"
        for arm, own in figures.items()
    )
    return f"<table><tr>{head}</tr>{rows}</table>"
