"""Your own Python files that a recipe names: rewards, callbacks, engines.

vz runs these files with your permissions. If you did not write a file, read it before you use the recipe.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from stages.core.errors import InputError, VzError, first_line


def is_user_file(value: object) -> bool:
    """Whether the value of a recipe field names a Python file, rather than something that comes with vz."""
    return isinstance(value, str | Path) and str(value).endswith(".py")


def hash_of_user_file(file: str | Path, key: str) -> str:
    """The hash of a file's content, which is part of the identity of results that depend on the file."""
    return sha256(_read(Path(file), key)).hexdigest()


def load_user_object(file: str | Path, name: str, key: str) -> Any:
    """The function or class `name` of a Python file. `key` is the recipe field that names the file.

    `InputError` if the file is missing, fails to load, or has no such function or class.
    """
    path = Path(file)
    code = _read(path, key)
    module = ModuleType(f"vz_user_code_{path.stem}_{sha256(code).hexdigest()[:12]}")  # an edited file is a new module
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses and pickle look it up here
    with user_errors(path):
        exec(compile(code, str(path), "exec"), module.__dict__)
    found = getattr(module, name, None)
    if not callable(found):
        raise InputError(f"{path}: defines no '{name}', which {key} needs; docs/doors has a complete example")
    return found


@contextmanager
def user_errors(file: str | Path) -> Iterator[None]:
    """Turn an exception in a user's file into one `InputError` that names the line. `--debug` shows the traceback."""
    try:
        yield
    except VzError:
        raise
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        where = f"{file}, line {line}" if line else str(file)
        message = error.msg if isinstance(error, SyntaxError) else first_line(error)
        raise InputError(f"{where}: {type(error).__name__}: {message}") from error


def _read(path: Path, key: str) -> bytes:
    if not path.is_file():
        raise InputError(
            f"{key}: no such file: {path}; paths in a recipe are relative to its folder, and those in --set to the "
            "current folder"
        )
    return path.read_bytes()
