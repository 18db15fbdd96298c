"""vz doctor"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from vzcli import options as opt

DEFAULT_RECIPE = "tiny"

if TYPE_CHECKING:
    from stages.core.recipe import Recipe
    from stages.doctor import Finding


def command(
    as_json: opt.AsJson = False,
    extras: Annotated[
        list[str] | None,
        typer.Option("--need", help="Require this extra: render, train, … May be repeated."),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option("--recipe", "-r", help="Also check what this recipe's model needs.")
    ] = None,
    overrides: opt.Overrides = None,
) -> None:
    """Check versions, GPUs, memory and extras, with a remedy for each failure. Exit code 1 if a check fails.

    With --recipe, also check what its model needs. This reads configuration and processor files, not weights.
    """
    from stages.doctor import examine

    findings = examine(needed=extras or [])
    if recipe is not None or overrides:
        findings += _of_recipe(opt.load_recipe(recipe or DEFAULT_RECIPE, overrides, None))
    if as_json:
        print(json.dumps([vars(finding) for finding in findings]))
    else:
        _print(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _of_recipe(recipe: Recipe) -> list[Finding]:
    from stages import train
    from stages.core.errors import InputError
    from stages.doctor import Finding, examine_model

    findings = examine_model(recipe)
    try:
        train.check_ready(recipe)
    except InputError as error:
        return [*findings, Finding("fail", "training", str(error))]
    return [*findings, Finding("ok", "training", "packages and accelerate file found")]


def _print(findings: list[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "warn": "yellow", "fail": "red", "absent": "dim"}
    table = Table("", "what", "found", "remedy", box=None)
    for finding in findings:
        mark = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(mark, *map(escape, (finding.what, finding.found, finding.remedy)))
    opt.console().print(table)
