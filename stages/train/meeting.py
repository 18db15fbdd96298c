"""Where a trainer's processes call: a local socket, or a port of the run's first machine, which needs a secret."""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from contextlib import closing
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from stages.core.errors import InputError
from stages.core.folder.temporary import TemporaryFolder
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe

SECRET = "VZ_SECRET"  # environment variable: the same on all machines of a run
SHORTEST = 16  # characters of the secret
LONGEST_PLACE = 70  # bytes of the path of a socket's folder; the system allows about a hundred for the full name
STEP = 0.5  # seconds between checks for processes that have not called yet
PATIENCE = 10  # seconds that a caller has to prove that it knows the secret
# A machine that vanishes without a message is noticed after two minutes.
_KEEPALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 6}

Line: TypeAlias = "Connection[Any, Any]"


class Meeting:
    """Waits for calls while it is open."""

    def __init__(self, recipe: Recipe) -> None:
        train = recipe.train
        self._folder = TemporaryFolder("vz-jobs-", _short_place()) if train.address is None else None
        if self._folder is not None:
            self.place = str(self._folder.path / "jobs")
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self.place)
        else:
            assert train.address is not None
            secret()
            self.place = train.address
            self._listener = _port(train.address)
        self._listener.listen(train.processes + train.machines)
        self._listener.settimeout(STEP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.close()
        if self._folder is not None:
            self._folder.close()

    def accept(self) -> Line | None:
        """The next caller; None if nobody called for a moment, or the caller does not know the secret."""
        try:
            accepted, origin = self._listener.accept()
        except TimeoutError:
            return None
        if self._folder is not None:
            return Connection(accepted.detach())
        try:
            return _proven(accepted, first=True)
        except (AuthenticationError, AssertionError, OSError, EOFError):
            say(f"training: a caller from {origin[0]} does not know {SECRET}")
            return None


def call(place: str) -> Line:
    """A connection to the meeting at `place`. `OSError` if nobody is there."""
    if not place.startswith("/"):
        host, _, port = place.rpartition(":")
        try:
            return _proven(socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE), first=False)
        except AuthenticationError as error:
            raise InputError(f"{place}: has a different {SECRET}; set the same one on all machines") from error
        except (AssertionError, EOFError) as error:
            raise InputError(f"{place}: the program that answers there is not a vz training") from error
    plain = socket.socket(socket.AF_UNIX)
    plain.connect(place)
    return Connection(plain.detach())


def secret() -> bytes:
    """The secret. `InputError` if it is missing or short enough to guess."""
    value = os.environ.get(SECRET, "")
    if len(value) < SHORTEST:
        raise InputError(
            f"several machines need the environment variable {SECRET}, with the same {SHORTEST} characters or more on "
            f"all of them: export {SECRET}=$(openssl rand -hex 16)"
        )
    return value.encode()


def _short_place() -> Path:
    """A folder for a socket. Socket names must be short, and some machines' temporary folders have long paths."""
    place = Path(tempfile.gettempdir())
    return place if len(os.fsencode(place)) <= LONGEST_PLACE else Path("/tmp")


def free_port(host: str) -> int:
    """A port that nothing uses at the moment."""
    with closing(socket.create_server((host, 0))) as found:
        return int(found.getsockname()[1])


def _port(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host.strip("[]"), int(port)))
    except OSError as error:
        raise InputError(
            f"train.address: cannot listen at {address}: {error.strerror}; give this machine's name or address, "
            "and a free port"
        ) from error


def _proven(plain: socket.socket, *, first: bool) -> Line:
    """The connection, after both sides have proven that they know the secret. `first`: the other side goes first."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, seconds in _KEEPALIVE.items():
        if hasattr(socket, option):
            plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), seconds)
    plain.settimeout(None)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", PATIENCE, 0))
    line: Line = Connection(plain.detach())
    try:
        if first:
            deliver_challenge(line, secret())
            answer_challenge(line, secret())
        else:
            answer_challenge(line, secret())
            deliver_challenge(line, secret())
    except BaseException:
        line.close()
        raise
    with socket.socket(fileno=os.dup(line.fileno())) as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 0))
    return line
