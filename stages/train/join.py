"""`vz join`: runs the part of a training on a machine other than the one that runs `vz train` or `vz iterate`."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress

from stages.core.errors import InputError, VzError
from stages.core.printing.terminal import say
from stages.core.processes.interrupts import without_interrupts
from stages.train.launch import command, environment
from stages.train.live import check_packages
from stages.train.machines import DONE, VERSION, Seat
from stages.train.meeting import STEP, Line, call, secret

LAST_WORDS = 60  # seconds for processes to end


def join(address: str) -> None:
    """Train on this machine for the run whose `train.address` is `address`, until that run ends.

    Raises a `VzError` if a process fails here, or if the first machine's vz ends before its run is finished.
    """
    check_packages()
    secret()
    line = _first_call(address)
    try:
        line.send(VERSION)
        seat = _hear(line, address)
        if isinstance(seat, VzError):
            raise seat
        assert isinstance(seat, Seat)
        say(f"joined the training at {address} as machine {seat.node + 1}")
        _train(seat, line, address)
    finally:
        line.close()


def _first_call(address: str) -> Line:
    """Call until the run answers."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"{address}: give the run's train.address, such as node0:29500")
    waiting = False
    while True:
        try:
            return call(address)
        except OSError as error:
            if not waiting:
                say(f"waiting for a training at {address} ({error.strerror or error})")
            waiting = True
            time.sleep(STEP)


def _train(seat: Seat, line: Line, address: str) -> None:
    with without_interrupts():  # Ctrl-C reaches this process, which then ends the others
        torchrun = subprocess.Popen(
            command(seat.recipe, address, seat.rendezvous, seat.node),
            env=environment(seat.recipe, seat.spread),
            stdout=2,
        )
    try:
        while not line.poll(STEP):
            if torchrun.poll():
                raise VzError(f"a training process ended (exit code {torchrun.returncode}); its output is above")
        if _hear(line, address) == DONE:
            with suppress(subprocess.TimeoutExpired):
                torchrun.wait(LAST_WORDS)
    finally:
        torchrun.kill()  # its processes end with it
        torchrun.wait()


def _hear(line: Line, address: str) -> object:
    try:
        return line.recv()
    except (EOFError, OSError) as error:
        raise VzError(
            f"the vz at {address} ended before its run was finished; repeat its command there, and `vz join` here"
        ) from error
