"""vz inspect"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stages.core.printing.terminal import put
from vzcli import options as opt

if TYPE_CHECKING:
    from stages.inspect.view import View

ROWS = 20  # of a table, by default

Folder = Annotated[Path, typer.Argument(help="An output of vz, a round, or a folder that contains outputs.")]
Game = Annotated[
    str | None, typer.Option("--game", "-g", help="Show the transcript of one game, by its id or its number (from 1).")
]
Turn = Annotated[
    int | None, typer.Option("--turn", "-t", help="With --game: show one row in full, by its turn (from 0).")
]
Sample = Annotated[int, typer.Option("--sample", "-s", help="With --turn: the sample to show.")]
Gallery = Annotated[Path | None, typer.Option("--gallery", help="Write the pairs of pictures as one HTML page.")]
Sheet = Annotated[Path | None, typer.Option("--contact-sheet", help="Write the pairs of pictures as one PNG.")]
Pairs = Annotated[
    str | None,
    typer.Option("--pairs", help="With --gallery or --contact-sheet: only the pairs with these ids (comma-separated)."),
]
LIMIT = "How much to show: rows of a table (20), pairs in a gallery (200) or on a contact sheet (40, at most 120)."
Limit = Annotated[int | None, typer.Option("--limit", "-l", min=1, help=LIMIT, show_default=False)]
VERIFY = "Compare every file with its recorded hash. Exit code 1 if any differs."
Verify = Annotated[bool, typer.Option("--verify", help=VERIFY)]


def command(
    folder: Folder,
    game: Game = None,
    turn: Turn = None,
    sample: Sample = 0,
    gallery: Gallery = None,
    contact_sheet: Sheet = None,
    pairs: Pairs = None,
    limit: Limit = None,
    verify: Verify = False,
    as_json: opt.AsJson = False,
) -> None:
    """Show what a folder contains: a summary and what to do next, one game, one row, or its pairs of pictures."""
    if verify:
        _verify(folder, as_json)
    elif gallery or contact_sheet or pairs:
        _show_pairs(folder, gallery, contact_sheet, pairs, limit, game, as_json)
    else:
        print_view(_view(folder, game, turn, sample, limit or ROWS), as_json)


def print_here() -> None:
    """Print the outputs in the current folder, and what to run next."""
    from stages.inspect.overview import overview

    print_view(overview(Path(), ROWS), as_json=False)
    put("\nvz --help lists all commands.")


def _verify(folder: Path, as_json: bool) -> None:
    from stages.core.errors import VzError
    from stages.inspect.verify import verify

    report = verify(folder)
    opt.print_report(report, as_json)
    if bad := report.counts["damaged"]:
        raise VzError(
            f"{bad[0]}{f' and {len(bad) - 1} more' if len(bad) > 1 else ''}: changed since it was written; repeat the "
            "command that made it with --overwrite (vz iterate resumes from the run's last whole round by itself)"
        )


def _show_pairs(
    folder: Path,
    gallery: Path | None,
    contact_sheet: Path | None,
    pairs: str | None,
    limit: int | None,
    game: str | None,
    as_json: bool,
) -> None:
    from stages.core.errors import InputError
    from stages.inspect.show import show

    out = gallery or contact_sheet
    if out is None:
        raise InputError("--pairs needs --gallery or --contact-sheet, which name the file to write")
    if (gallery and contact_sheet) or game:
        raise InputError("--gallery, --contact-sheet and --game show different things: give only one of them")
    opt.print_report(show(folder, out, sheet=gallery is None, limit=limit, pairs=pairs), as_json)


def _view(folder: Path, game: str | None, turn: int | None, sample: int, limit: int) -> View:
    from stages.core.errors import InputError
    from stages.inspect import look
    from stages.inspect.overview import overview

    if game is None and turn is not None:
        raise InputError("--turn needs --game: the game that the row belongs to")
    if game is None:
        return overview(folder, limit)
    return look.transcript(folder, game) if turn is None else look.one_row(folder, game, turn, sample)


def print_view(view: View, as_json: bool) -> None:
    """Print the view as JSON or as text."""
    from rich.table import Table
    from rich.text import Text

    if as_json:
        opt.print_json(view.as_dict())
        return
    screen = opt.console()
    screen.print(view.title, style="bold")
    screen.print(opt.facts_table(view.facts))
    for text in view.text:
        screen.print(text, style="cyan")
    for name, frame in view.tables.items():
        heads = [column.replace("_", " ") for column in frame.columns]
        table = Table(*heads, title=f"\n{name}", title_justify="left", box=None, padding=(0, 1))
        for row in frame.iter_rows():
            table.add_row(*(opt.shown(value) for value in row))
        screen.print(table)
        if view.more.get(name):
            screen.print(f" … and {view.more[name]} more (--limit)", style="dim")
    if view.next:
        screen.print("\nnext", style="bold")
        for command, purpose in view.next.items():  # each on its own line, ready to copy
            screen.print(Text(f"  {command}  ").append(f"# {purpose}", style="dim"), soft_wrap=True)
