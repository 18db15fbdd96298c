"""Options that the subcommands share, and how a report or a plan is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from stages.core.folder.artifact import Report
    from stages.core.recipe import Recipe

WIDTH_WITHOUT_TERMINAL = 160

RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", help="A recipe file, or the name of one that comes with vz (vz recipe list).")
]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override a value: section.key=value. Repeatable.", show_default=False)
]
Seed = Annotated[int | None, typer.Option("--seed", help="The run's seed (recipe: seed).", show_default=False)]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace output made from different inputs or settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as one JSON object on stdout.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the resolved recipe, what is read and written; do nothing.")
]
Phase = Annotated[str, typer.Option("--phase", help="What trains in this iteration: clue, decision or both.")]


Show = Callable[["Report", "Console"], None]


def load_recipe(name: str, overrides: list[str] | None, seed: int | None) -> Recipe:
    """The recipe with `--set` and `--seed` applied."""
    from stages.core.recipe import load

    extra = [] if seed is None else [f"seed={seed}"]
    return load(name, [*(overrides or []), *extra])


def choice(value: str, allowed: tuple[str, ...], option: str) -> Any:
    """`value`, if it is one of the allowed ones."""
    from stages.core.errors import InputError

    if value not in allowed:
        raise InputError(f"{option} {value}: must be one of {', '.join(allowed)}")
    return value


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
) -> None:
    """Do it, or say what would be done. `show` prints the counts in another way than as one table."""
    if dry_run:
        print_plan(recipe.shown(*sections), reads, out, as_json)
        return
    print_report(run(), as_json, show)


def print_plan(
    settings: dict[str, Any], reads: dict[str, Any], out: Path, as_json: bool, finds: dict[str, Any] | None = None
) -> None:
    """What would be read and written, and what was found there if somebody looked."""
    import yaml

    plan = {
        "dry_run": True,
        "reads": {name: str(place) for name, place in reads.items() if place is not None},
        "missing": [name for name, place in reads.items() if isinstance(place, Path) and not place.exists()],
        **({} if finds is None else {"finds": finds}),
        "writes": str(out),
        "exists": out.exists(),
        "recipe": settings,
    }
    print(json.dumps(plan) if as_json else yaml.safe_dump(plan, sort_keys=False, allow_unicode=True), end="")
    if as_json:
        print()


def print_report(report: Report, as_json: bool, show: Show | None = None) -> None:
    """As JSON on stdout, or for people: status, counts, warnings."""
    if as_json:
        print(json.dumps(report.as_dict(), ensure_ascii=False))
        return
    screen = console()
    screen.print(f"{report.stage}: {report.status} → {report.out}", markup=False, style="bold")
    if show is None:
        screen.print(facts_table(report.counts))
    else:
        show(report, screen)
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def print_preflight(report: Report, recipe: Recipe, as_json: bool = False) -> None:
    """What a few games showed; they were played only for this."""
    from stages.rollout.preflight import facts

    if as_json:
        print(json.dumps({**report.as_dict(), "stage": "preflight", "out": None}, ensure_ascii=False))
        return
    screen = console()
    screen.print(f"preflight: {report.counts['games']} games", style="bold")
    screen.print(facts_table(facts(report, recipe)))
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def console() -> Console:
    """stdout; as wide as the terminal, or wide enough for our tables where there is none."""
    from rich.console import Console

    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)


def facts_table(facts: dict[str, Any]) -> Table:
    """Names and values, a line each."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2))
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), escape(shown(value)))
    return table


def shown(value: Any) -> str:
    """A count or figure, short."""
    if isinstance(value, float):
        return f"{value + 0.0:.3g}"  # of a negative zero, zero
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(shown(part) for part in value)
    return "–" if value is None else str(value)
