"""vz inspect"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vzcli import options as opt

if TYPE_CHECKING:
    from stages.inspect.look import View

ROWS = 20  # of a table, if nobody says how many


def command(
    folder: Annotated[Path, typer.Argument(help="Any output folder of vz.")],
    game: Annotated[
        str | None, typer.Option("--game", "-g", help="One game's transcript: its id, or its number from 1.")
    ] = None,
    turn: Annotated[int | None, typer.Option("--turn", "-t", help="With --game: one row whole, by its turn …")] = None,
    sample: Annotated[int, typer.Option("--sample", "-s", help="… and its sample.")] = 0,
    gallery: Annotated[
        Path | None, typer.Option("--gallery", help="Write the pairs of pictures as one HTML page to look through.")
    ] = None,
    contact_sheet: Annotated[
        Path | None, typer.Option("--contact-sheet", help="Write the pairs of pictures as one PNG.")
    ] = None,
    pairs: Annotated[
        str | None, typer.Option("--pairs", help="With these two: only the pairs of these ids, with commas between.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            "-l",
            min=1,
            help="Rows of a table (20), pairs of a gallery (200) or of a contact sheet (40; at most 120).",
            show_default=False,
        ),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Read every byte and compare with the recorded hashes; exit code 1 if any differs."
        ),
    ] = False,
    as_json: opt.AsJson = False,
) -> None:
    """Look into any output folder: what it is, its games, one game, one row, its pairs of pictures."""
    from stages.core.errors import InputError
    from stages.inspect import look

    if verify:
        _verify(folder, as_json)
        return
    if turn is not None and game is None:
        raise InputError("--turn needs --game: which game's row?")
    if gallery is not None or contact_sheet is not None:
        if game is not None:
            raise InputError("--game shows one game, --gallery and --contact-sheet show pairs: give one of them")
        from stages.inspect.show import show

        opt.print_report(show(folder, page=gallery, sheet=contact_sheet, limit=limit, pairs=pairs), as_json)
        return
    if pairs is not None:
        raise InputError("--pairs needs --gallery or --contact-sheet: where are they to be shown?")
    if game is None:
        view = look.overview(folder, limit or ROWS)
    elif turn is None:
        view = look.transcript(folder, game)
    else:
        view = look.one_row(folder, game, turn, sample)
    if as_json:
        print(json.dumps(view.as_dict(), ensure_ascii=False, default=str))
    else:
        _print(view)


def _verify(folder: Path, as_json: bool) -> None:
    from stages.core.errors import VzError
    from stages.inspect.verify import verify

    report = verify(folder)
    opt.print_report(report, as_json)
    if bad := report.counts["spoilt"]:
        raise VzError(
            f"{bad[0]}{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}: changed since it was written; repeat the "
            "command that made it with --overwrite (vz iterate resumes from the run's last whole round by itself)"
        )


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
