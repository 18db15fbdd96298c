"""What goes wrong, said once and clearly: every message names the thing and the remedy."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class VzError(Exception):
    """A failure with a message meant for the user. The command ends with `exit_code` and no traceback."""

    exit_code = 1


class InputError(VzError):
    """Bad input or usage: a file, row, key or option that the user can mend. Exit code 2."""

    exit_code = 2


class MissingExtra(InputError):
    """A stage needs packages that the light install leaves out."""

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(
            f"this needs the package '{package}', which is not installed: pip install 'vz-selfplay[{extra}]'"
        )
        self._given = extra, package

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return MissingExtra, self._given  # it must come home from a process: pickle would give back the message alone


def first_line(error: BaseException) -> str:
    """What a library says of its failure, without the pages that may follow."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def require(package: str, extra: str) -> ModuleType:
    """Import `package`, or say which extra brings it."""
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != package.split(".", maxsplit=1)[0]:
            raise
        raise MissingExtra(extra, package) from error
