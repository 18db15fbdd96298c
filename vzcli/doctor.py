"""vz doctor"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vzcli import options as opt

DEFAULT_RECIPE = "tiny"

if TYPE_CHECKING:
    from stages.core.estimate.forecast import Forecast
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
    gpu: Annotated[
        str | None, typer.Option("--gpu", help="Estimate the recipe for this card: H100, A100 80GB, RTX 4090, …")
    ] = None,
    gpu_memory: Annotated[
        float | None, typer.Option("--gpu-memory", help="Estimate the recipe for GPUs with this many GB.", min=1)
    ] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", help="Estimate the recipe for this many GPUs.", min=1)] = None,
) -> None:
    """Check versions, GPUs, memory and extras, and name a remedy for each failure. Exit code 1 if a check fails.

    With --recipe, also check what its model needs, and estimate memory and time.
    This reads configuration and processor files, not weights.
    With --gpu, --gpu-memory or --gpus, estimate both for another machine without checking this one.
    """
    from stages.doctor import examine

    elsewhere = any(value is not None for value in (gpu, gpu_memory, gpus))
    findings = [] if elsewhere else examine(needed=extras or [])
    found: Forecast | None = None
    if recipe is not None or overrides or elsewhere:
        loaded = opt.load_recipe(recipe or DEFAULT_RECIPE, overrides, None)
        if not elsewhere:
            findings += _of_recipe(loaded)
        found, estimated = _estimate(loaded, elsewhere, gpu, gpu_memory, gpus)
        findings += estimated
    if as_json:
        body = {"findings": [vars(finding) for finding in findings], "estimate": found.as_dict() if found else None}
        opt.print_json(body)
    else:
        _print(findings, found)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _estimate(
    recipe: Recipe, elsewhere: bool, gpu: str | None, gpu_memory: float | None, gpus: int | None
) -> tuple[Forecast | None, list[Finding]]:
    """The recipe's estimate, and a finding unless it fits with room to spare."""
    from stages import train
    from stages.core.errors import InputError
    from stages.core.estimate.machine import described
    from stages.core.recipe.served import is_served
    from stages.doctor import Finding

    if is_served(recipe.model.path) or recipe.train.trainer == "stub":
        return None, []
    machine = described(gpu, gpu_memory, gpus) if elsewhere else None
    found: Forecast | None = None
    try:
        found = train.estimate(recipe, machine)
        found.require_fit()
    except InputError as error:
        what, _, remedy = str(error).partition(". What fits, ")
        return found, [Finding("fail", "memory needed", what, remedy and f"what fits, {remedy}")]
    if found.tight:
        return found, [Finding("warn", "memory needed", "; ".join(found.tight), "less than 10 % to spare")]
    return found, []


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


def _print(findings: list[Finding], found: Forecast | None) -> None:
    """Print the findings and the estimate."""
    from rich.table import Table
    from rich.text import Text

    colours = {"ok": "green", "warn": "yellow", "fail": "red", "absent": "dim"}
    table = Table("", "what", "found", "remedy", box=None)
    for finding in findings:
        mark = Text(finding.verdict, style=colours[finding.verdict])
        table.add_row(mark, finding.what, finding.found, finding.remedy)
    if findings:
        opt.console().print(table)
    if found is not None:
        from vzcli.estimates import print_estimate

        print_estimate(found)
