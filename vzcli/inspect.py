"""vz inspect"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from stages.inspect.look import View


def command(
    folder: Annotated[Path, typer.Argument(help="Any output folder of vz.")],
    game: Annotated[
        str | None, typer.Option("--game", "-g", help="One game's transcript: its id, or its number from 1.")
    ] = None,
    turn: Annotated[int | None, typer.Option("--turn", "-t", help="With --game: one row whole, by its turn …")] = None,
    sample: Annotated[int, typer.Option("--sample", "-s", help="… and its sample.")] = 0,
    limit: Annotated[int, typer.Option("--limit", "-l", min=1, help="Rows of a table.")] = 20,
    as_json: opt.AsJson = False,
) -> None:
    """Look into any output folder: what it is, its games, one game, one row."""
    from stages.inspect import look

    if turn is not None and game is None:
        from stages.core.errors import InputError

        raise InputError("--turn needs --game: which game's row?")
    if game is None:
        view = look.overview(folder, limit)
    elif turn is None:
        view = look.transcript(folder, game)
    else:
        view = look.one_row(folder, game, turn, sample)
    if as_json:
        print(json.dumps(view.as_dict(), ensure_ascii=False, default=str))
    else:
        _print(view)


def _print(view: View) -> None:
    from rich.markup import escape
    from rich.table import Table

    screen = opt.console()
    screen.print(f"[bold]{escape(view.title)}[/bold]")
    screen.print(opt.facts_table(view.facts))
    for text in view.text:
        screen.print(escape(text), style="cyan")
    for name, frame in view.tables.items():
        heads = [column.replace("_", " ") for column in frame.columns]
        table = Table(*heads, title=f"\n{name}", title_justify="left", box=None, padding=(0, 1))
        for row in frame.iter_rows():
            table.add_row(*(escape(opt.shown(value)) for value in row))
        screen.print(table)
        if view.more.get(name):
            screen.print(f" … and {view.more[name]} more (--limit)", style="dim")
