"""The `vz` command itself: its subcommands, and how failures end."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from stages.core.processes.interrupts import keep_ignored
from vzcli import (
    doctor,
    evaluate,
    export,
    filter,
    init_model,
    inspect,
    iterate,
    join,
    make_games,
    recipe,
    report,
    rollout,
    score,
    train,
)

app = typer.Typer(
    name="vz",
    help="Train vision–language models by self-play of 'Who is the spy?' (Vision-Zero, arXiv 2509.25541).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

# Newer releases of typer carry a copy of click, older ones import it; this is the class of either.
UsageError: type[Any] = typer.BadParameter.__bases__[0]

INTERRUPTED = 130

COMMANDS: dict[str, Callable[..., None]] = {
    "make-games": make_games.command,
    "rollout": rollout.command,
    "score": score.command,
    "filter": filter.command,
    "train": train.command,
    "join": join.command,
    "iterate": iterate.command,
    "evaluate": evaluate.command,
    "inspect": inspect.command,
    "report": report.command,
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

        print(version("vz-selfplay"))
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the subcommand."""


def main() -> None:
    """Run `vz`. Exit codes: 0 done, 1 failed, 2 bad input or usage, 130 interrupted."""
    from stages.core.processes.inherited import forget_launcher

    forget_launcher(os.environ)  # vz starts its processes itself, those that train and those that play
    os.environ["PYTHONSAFEPATH"] = "1"  # and none of them imports modules from the current folder
    keep_ignored()
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
    except SystemExit as end:  # newer releases of typer end so by themselves when interrupted
        code = end.code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if debug:
            raise
        code = _failure(error)
    if code == INTERRUPTED:
        _say("interrupted; repeat the command to continue from what is finished", INTERRUPTED)
    sys.exit(code if isinstance(code, int) else 0)


def _failure(error: Exception) -> int:
    from stages.core.errors import VzError

    while isinstance(error, ExceptionGroup):  # games fail in a group; the first says why
        error = error.exceptions[0]
    if isinstance(error, VzError):
        return _say(str(error), error.exit_code)
    if isinstance(error, OSError) and error.strerror:
        return _say(f"{error.filename or 'a file'}: {error.strerror}", 1)
    return _say(f"{type(error).__name__}: {error} (an error inside vz; --debug shows where)", 1)


def _say(message: str, code: int) -> int:
    print(f"vz: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
