"""The `vz` command: its subcommands and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from stages.core.printing.terminal import escape_logs, put, say, say_briefly
from stages.core.processes.interrupts import answer_at_once, keep_ignored, never_swallow, spare_polars
from vzcli import (
    INTERRUPTED,
    REPEAT,
    benchmark,
    doctor,
    evaluate,
    export,
    filter,
    init_model,
    inspect,
    iterate,
    join,
    make_games,
    outside,
    recipe,
    report,
    rollout,
    score,
    streams,
    train,
    view,
)
from vzcli.failures import explained, is_interrupt
from vzcli.pipes import outlive_readers

app = typer.Typer(
    name="vz",
    help="Train vision–language models by self-play of 'Who is the spy?' (Vision-Zero, arXiv 2509.25541).",
    invoke_without_command=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

# Newer releases of typer bundle a copy of click, older ones import it. This finds the class in both.
UsageError: type[Any] = typer.BadParameter.__bases__[0]

COMMANDS: dict[str, Callable[..., None]] = {
    "make-games": make_games.command,
    "rollout": rollout.command,
    "score": score.command,
    "filter": filter.command,
    "outside": outside.command,
    "train": train.command,
    "join": join.command,
    "iterate": iterate.command,
    "evaluate": evaluate.command,
    "benchmark": benchmark.command,
    "inspect": inspect.command,
    "report": report.command,
    "view": view.command,
    "export": export.command,
    "init-model": init_model.command,
    "doctor": doctor.command,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(recipe.app, name="recipe")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        put(version("vz-selfplay"))
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Without a subcommand, show the outputs in the current folder and what to run next."""
    if context.invoked_subcommand is None:
        inspect.print_here()


def main() -> None:
    """Run `vz`. Exit codes: 0 done, 1 failed, 2 bad input or usage, 130 interrupted."""
    from stages.core.processes.inherited import forget_launcher

    forget_launcher(os.environ)  # vz itself starts the processes that train and play
    os.environ["PYTHONSAFEPATH"] = "1"  # and none of them imports modules from the current folder
    keep_ignored()
    streams.make_usable()
    never_swallow()
    spare_polars()
    answer_at_once(say)
    outlive_readers()
    escape_logs()
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(standalone_mode=False)
    except typer.BadParameter as error:
        code = _say(error.format_message().replace("Value error, ", ""), error.exit_code)
    except UsageError as error:
        error.show()
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except SystemExit as end:  # how newer releases of typer end when interrupted
        code = end.code
    except BaseException as error:  # a panic in Polars is not an Exception
        if debug:
            raise
        code = INTERRUPTED if is_interrupt(error) else _say(*explained(error, sys.argv[1:]))
    if isinstance(code, str):  # a library gave up, and said why
        code = _say(code, 1)
    if code == INTERRUPTED:
        _say(REPEAT, INTERRUPTED)
    if problem := streams.flushed():
        code = _say(f"standard output: {problem.strerror}; redirect it elsewhere", 1)
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str, code: int) -> int:
    say_briefly(f"vz: {message}")
    return code
