"""`vz` in the process of the tests, which saves the seconds that a new Python needs to import everything."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from subprocess import CompletedProcess
from unittest.mock import patch

import pytest

from vzcli.main import main


def vz(*arguments: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
    """Run the command, in the folder `cwd` if given, and return its exit code and what it printed."""
    words = ["vz", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with (
        patch("sys.argv", words),
        patch.dict(os.environ),
        same_signals(),
        chdir(cwd or Path.cwd()),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        main()
    code = end.value.code
    return CompletedProcess(words, code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


@contextmanager
def same_signals() -> Iterator[None]:
    """Restore the blocked signals at the end: `main` blocks those that the process was started to ignore."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
