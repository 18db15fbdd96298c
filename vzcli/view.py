"""vz view"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stages.core.printing.terminal import put


def command(
    run: Annotated[
        Path, typer.Argument(help="The run's folder, made by vz iterate. The run may still be in progress.")
    ],
    other: Annotated[
        Path | None, typer.Argument(help="Another run, to see both side by side.", show_default=False)
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            "--results", help="Output of vz benchmark to show on the first page. May be repeated.", show_default=False
        ),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port on this machine; 0 takes any free one.")
    ] = 0,
) -> None:
    """Show a run live in your browser: its curves and every game. Only this machine can open it. Ctrl-C ends it."""
    from stages import view

    runs = [run] if other is None else [run, other]
    view.run(
        runs, results=results or (), port=port, on_ready=lambda address: put(f"open {address}\nCtrl-C ends the view")
    )
