"""The server: runs on the loopback interface until interrupted."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from stages.core.errors import InputError, require
from stages.core.folder import artifact
from stages.core.pages.benchmarks import table_of

if TYPE_CHECKING:
    from uvicorn import Server

HOST = "127.0.0.1"


def run(
    runs: Sequence[Path],
    *,
    results: Sequence[Path] = (),
    port: int = 0,
    on_ready: Callable[[str], None] = print,
) -> None:
    """Serve the pages of one run, or of two side by side, until interrupted. `on_ready` gets their address.

    `results` are folders of `vz benchmark`, whose tables the first page shows. With port 0, the system chooses a port.
    `InputError` if a folder is not a run, or the port is taken.
    """
    server, place, address = open_server(runs, port, results)
    on_ready(address)
    with suppress(KeyboardInterrupt):  # the usual way to end a view
        server.run(sockets=[place])


@contextmanager
def serving(runs: Sequence[Path], results: Sequence[Path] = ()) -> Iterator[str]:
    """Serve the pages in a thread, for as long as the context lasts. Yields the address."""
    server, place, address = open_server(runs, 0, results)
    thread = Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        yield address
    finally:
        server.should_exit = True
        thread.join()


def open_server(runs: Sequence[Path], port: int, results: Sequence[Path] = ()) -> tuple[Server, socket.socket, str]:
    """A server that is not running yet, its socket, which is already listening, and the address with the token."""
    for package in ("starlette", "uvicorn", "vl_convert"):
        require(package, "view")
    import uvicorn

    from stages.view.app import app_of
    from stages.view.guard import Guard

    folders = [folder.resolve() for folder in runs]
    for folder in folders:
        _check_run(folder)
    tables = [table_of(folder) for folder in results]
    place = _listen(port)
    number = place.getsockname()[1]
    guard = Guard(app_of(folders, tables), number)
    config = uvicorn.Config(
        guard, log_level="warning", access_log=False, lifespan="off", ws="none", server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    return uvicorn.Server(config), place, f"http://{HOST}:{number}/?token={guard.token}"


def _check_run(folder: Path) -> None:
    try:
        artifact.manifest_of(folder, "iterate")
    except InputError as error:
        raise InputError(f"{error}; give the folder of a run of vz iterate") from error


def _listen(port: int) -> socket.socket:
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind((HOST, port))
    except OSError as error:
        raise InputError(f"port {port} cannot be used ({error.strerror}); choose another --port") from error
    place.listen()
    return place
