"""vz doctor"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from stages.core.environment import Finding


def command(
    as_json: opt.AsJson = False,
    extras: Annotated[
        list[str] | None, typer.Option("--need", help="Extras that must be there: render, train, vllm … Repeatable.")
    ] = None,
) -> None:
    """Judge the set-up: versions, GPU, memory, extras; each failure with its remedy. Exit code 1 if any fails."""
    from stages.core.environment import examine

    findings = examine(needed=extras or [])
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings]))
    else:
        _print(findings)
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    from rich.markup import escape
    from rich.table import Table

    colours = {"ok": "green", "warn": "yellow", "fail": "red", "absent": "dim"}
    table = Table("", "what", "found", "remedy", box=None)
    for finding in findings:
        body = finding.as_dict()
        mark = f"[{colours[body['verdict']]}]{body['verdict']}[/]"
        table.add_row(mark, *(escape(body[name]) for name in ("what", "found", "remedy")))
    opt.console().print(table)
