"""Errors for the user. Each message names what is wrong and a remedy that works."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class VzError(Exception):
    """A failure with a message for the user. The command ends with `exit_code` and without a traceback."""

    exit_code = 1


class InputError(VzError):
    """Bad input or usage: a file, row, key or option that the user can correct. Exit code 2."""

    exit_code = 2


class MissingExtra(InputError):
    """A stage needs a package that the basic installation lacks."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"this needs the package '{package}', which is not installed: pip install 'vz-selfplay[{extra}]'"
        )
        self._given = extra, package

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return MissingExtra, self._given  # by default, pickle would call it with the message alone


def first_line(error: BaseException) -> str:
    """The first line of another library's error message."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def shortened(text: str, most: int = 120) -> str:
    """The text in one line of at most `most` characters, for messages that quote a file or a user."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def require(package: str, extra: str) -> ModuleType:
    """Import `package`. `MissingExtra` names the extra that installs it."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".", maxsplit=1)[0]:
            raise
        raise MissingExtra(extra, package) from error
