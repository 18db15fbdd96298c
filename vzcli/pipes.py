"""Output to a pipe that nobody reads any more, as in `vz … | head`."""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def outlive_readers() -> None:
    """Let the command finish its work even if the reader of its output goes away.

    Later output is discarded. Without this, `vz iterate | head` would end the run at its tenth line.
    """
    sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)


class _Pipe(io.FileIO):
    """The writing end of a pipe. It becomes the null device when the reader has gone."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return super().write(data)


def _patient(stream: TextIO) -> TextIO:
    """A stream that survives the end of its reader. Terminals, files, closed streams and test objects stay as is."""
    try:
        handle = stream.fileno()
        kind = os.fstat(handle).st_mode
    except (AttributeError, OSError, ValueError):
        return stream
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return stream
    stream.flush()
    buffer = io.BufferedWriter(_Pipe(handle, "w", closefd=False))
    buffered = isinstance(stream, io.TextIOWrapper) and not stream.line_buffering
    return io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=not buffered)
