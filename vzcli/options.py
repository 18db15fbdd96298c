"""Options that the subcommands share, and functions that print reports and plans."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stages.core.printing.terminal import put, say_briefly
from vzcli import completion, streams

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stages.core.estimate.forecast import Forecast
    from stages.core.folder.artifact import Report
    from stages.core.recipe import Recipe

WIDTH_WITHOUT_TERMINAL = 160

RecipeName = Annotated[
    str,
    typer.Option(
        "--recipe",
        "-r",
        help="A recipe file, or the name of one that comes with vz (vz recipe list).",
        autocompletion=completion.recipes,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Set a recipe field: section.key=value. May be repeated.",
        show_default=False,
        autocompletion=completion.settings,
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Seed for all random draws (recipe: seed).", show_default=False)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output made from different inputs or settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object on stdout.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the resolved recipe and what would be read and written, then exit.")
]
Phase = Annotated[Literal["clue", "decision", "both"], typer.Option("--phase", help="The phase that trains.")]

# Clearer names for some figures. `--json` prints the keys.
LABELS = {
    "acc": "spy found", "na": "N/A", "na_votes": "N/A votes", "votes_right": "vote accuracy",
    "reward_spy": "spy reward", "reward_civilian": "civilian reward", "reward_decision": "vote reward",
    "pairs_of_other_splits": "not played: pairs of other splits",
}  # fmt: skip

Show = Callable[["Report", "Console"], None]


def load_recipe(name: str, overrides: list[str] | None, seed: int | None, games: Path | None = None) -> Recipe:
    """The recipe with `--set` and `--seed` applied. Rules that it leaves open come from the folder `games`."""
    from stages.core.recipe.load import load, rules_of_games

    extra = [] if seed is None else [f"seed={seed}"]
    return load(name, [*(overrides or []), *extra], rules_of_games(games) if games else None)


def run_stage(
    run: Callable[[], Report],
    *,
    recipe: Recipe,
    sections: tuple[str, ...],
    reads: dict[str, Any],
    out: Path,
    as_json: bool,
    dry_run: bool,
    show: Show | None = None,
    estimate: Callable[[], Forecast] | None = None,
) -> None:
    """Run the stage, or show what it would do, with an `estimate` of memory and time.

    `show` replaces the usual table of counts.
    """
    if dry_run:
        from vzcli.estimates import shown_estimate

        found, facts = (None, None) if estimate is None else shown_estimate(estimate)
        print_plan(recipe.shown(*sections), reads, out, as_json, estimate=facts)
        if found is not None:
            found.require_fit()
        return
    print_report(run(), as_json, show)


def print_plan(
    settings: dict[str, Any],
    reads: dict[str, Any],
    out: Path,
    as_json: bool,
    finds: dict[str, Any] | None = None,
    estimate: dict[str, Any] | None = None,
) -> None:
    """Print what would be read and written, what the input contains (`finds`), and the `estimate`, if known."""
    import yaml

    plan = {
        "dry_run": True,
        "reads": {name: str(place) for name, place in reads.items() if place is not None},
        "missing": [name for name, place in reads.items() if isinstance(place, Path) and not place.exists()],
        **({} if finds is None else {"finds": finds}),
        **({} if estimate is None else {"estimate": estimate}),
        "writes": str(out),
        "exists": out.exists(),
        "recipe": settings,
    }
    if as_json:
        print_json(plan)
    else:
        put(yaml.safe_dump(plan, sort_keys=False, allow_unicode=True).rstrip())


def print_json(value: Any) -> None:
    """Print one JSON object on one line."""
    put(json.dumps(value, ensure_ascii=not streams.is_unicode(), default=str))


def print_report(report: Report, as_json: bool, show: Show | None = None) -> None:
    """Print a report as JSON, or as text: status and counts, with warnings on stderr."""
    if as_json:
        print_json(report.as_dict())
        return
    screen = console()
    screen.print(f"{report.stage}: {report.status} → {report.out}", style="bold")
    if show is None:
        screen.print(facts_table(report.counts))
    else:
        show(report, screen)
    _print_warnings(report)


def print_preflight(report: Report, recipe: Recipe, as_json: bool = False) -> None:
    """Print what a preflight found."""
    from stages.rollout.preflight import facts

    if as_json:
        print_json({**report.as_dict(), "stage": "preflight", "out": None})
        return
    screen = console()
    screen.print(f"preflight: {report.counts['games']} games", style="bold")
    screen.print(facts_table(facts(report, recipe)))
    _print_warnings(report)


def _print_warnings(report: Report) -> None:
    for warning in report.warnings:
        say_briefly(f"warning: {warning}")


def console() -> Console:
    """Standard output, as wide as the terminal. Without a terminal, wide enough for our tables."""
    from stages.core.printing.screen import Screen

    return Screen(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)


def facts_table(facts: dict[str, Any]) -> Table:
    """Names and values, one per line."""
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2))
    for name, value in facts.items():
        table.add_row(label(name), shown(value))
    return table


def label(name: str) -> str:
    """The name of a figure in words."""
    return LABELS.get(name, name.replace("_", " "))


def shown(value: Any) -> str:
    """A figure in a few characters."""
    if isinstance(value, float):
        return f"{value + 0.0:.3g}"  # no negative zero
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(shown(part) for part in value)
    return "–" if value is None else str(value)
