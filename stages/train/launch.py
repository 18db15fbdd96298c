"""Training on several processes. torchrun starts them, running `stages.train.worker`, and they stay alive.

Each process has its own connection (`stages.train.meeting`), so that none waits inside a collective for its next job.
On other machines, `vz join` starts the processes (`stages.train.join`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import stages
from stages.core.clock import OPTIMIZER, clock
from stages.core.errors import VzError
from stages.core.processes.inherited import forget_launcher
from stages.core.processes.interrupts import without_interrupts
from stages.core.recipe import Recipe
from stages.train.accelerate_file import Spread, spread_of
from stages.train.job import Job
from stages.train.live import Trainer
from stages.train.machines import Machines
from stages.train.meeting import Line, Meeting
from stages.train.policy import is_on_gpu
from stages.train.rows import Row
from stages.train.state import Trained


class Launched(Trainer):
    """A trainer in `train.processes` other processes. They start with the first job; an error ends them all."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self._group: _Group | None = None

    def _train(self, job: Job, rows: Sequence[Row]) -> Trained:
        if self._group is None:
            self._group = _Group(self.recipe)
        before, self.held = self.state_id, self._ask("train", job, rows)
        if before != job.state_id:
            clock.add(OPTIMIZER, self.held.seconds)
        return self.held

    def sleep(self) -> None:
        if self._group is not None:
            self._ask("sleep")

    def close(self) -> None:
        if self._group is not None:
            self._ask("close")
            self._group.end()
        self.held = self._group = None

    def _ask(self, method: str, *arguments: Any) -> Any:
        """The answer of the first process. An error ends all processes."""
        assert self._group is not None
        try:
            return self._group.ask(method, *arguments)
        except BaseException:
            self._group.kill()
            self.held = self._group = None
            raise


class _Group:
    """The processes, by rank."""

    def __init__(self, recipe: Recipe) -> None:
        spread = spread_of(recipe)
        self._connections: dict[int, Line] = {}
        self._pids: list[int] = []  # on this machine
        self._machines = Machines(recipe)
        with Meeting(recipe) as meeting:
            rendezvous = self._machines.gather(meeting)
            with without_interrupts():  # Ctrl-C reaches this process, which then ends the others
                self._torchrun = subprocess.Popen(
                    command(recipe, meeting.place, rendezvous), env=environment(recipe, spread), stdout=2
                )
            try:
                while len(self._connections) < recipe.train.processes:
                    self._accept(meeting)
                for connection in self._connections.values():
                    connection.send(recipe)
            except BaseException:
                self.kill()
                raise

    def _accept(self, meeting: Meeting) -> None:
        connection = meeting.accept()
        if connection is not None:
            rank, pid = connection.recv()
            self._connections[rank] = connection
            if rank < self._machines.processes:
                self._pids.append(pid)
        elif self._torchrun.poll() is not None or self._machines.is_one_gone():
            raise self._ended()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Have each process call its trainer's method. Raises the first error of any process at once."""
        try:
            answer = self._first_answer(method, *arguments)
        except (EOFError, OSError) as error:
            raise self._ended() from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _first_answer(self, method: str, *arguments: Any) -> Any:
        """The answer of the first process, once all have answered; or the first error."""
        for connection in self._connections.values():
            connection.send((method, *arguments))
        answers: dict[int, Any] = {}
        while len(answers) < len(self._connections):
            waiting = {one: rank for rank, one in self._connections.items() if rank not in answers}
            for ready in wait(list(waiting)):
                assert isinstance(ready, Connection)
                answers[waiting[ready]] = answer = ready.recv()
                if isinstance(answer, Exception):
                    self._let_finish(answers)
                    return answer
        return answers[0]

    def _let_finish(self, answers: dict[int, Any]) -> None:
        """Let the first process finish writing the previous call's state, unless it waits for others."""
        if 0 in answers:
            with suppress(EOFError, OSError):
                self._connections[0].send(("close",))
                self._connections[0].recv()

    def end(self) -> None:
        """Close the connections. The processes then end by themselves."""
        for connection in self._connections.values():
            connection.close()
        self._machines.dismiss()
        try:
            self._torchrun.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        self._torchrun.kill()
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, 9)
        self._torchrun.wait()
        for connection in self._connections.values():
            connection.close()
        self._machines.leave()

    def _ended(self) -> VzError:
        """The error for a process that ended by itself. torchrun ends the others, and prints how it ended."""
        with suppress(subprocess.TimeoutExpired):
            self._torchrun.wait(5 if self._machines.is_one_gone() else 60)
        return self._machines.ended(self._torchrun.poll())


def command(recipe: Recipe, place: str, rendezvous: tuple[str, int] | None = None, node: int = 0) -> list[str]:
    """The command that starts the processes on machine number `node`. None imports from the current folder (`-P`).

    The processes call at `place`. Those of several machines meet at `rendezvous`.
    """
    train = recipe.train
    torchrun = [sys.executable, "-P", "-m", "stages.train.worker", "launch", str(os.getpid())]
    if rendezvous is None:
        torchrun += ["--standalone"]
    else:
        torchrun += ["--nnodes", str(train.machines), "--node_rank", str(node)]
        torchrun += ["--master_addr", rendezvous[0], "--master_port", str(rendezvous[1])]
    torchrun += ["--nproc_per_node", str(train.processes // train.machines)]
    torchrun += ["--log-dir", os.devnull]  # a folder for logs, which nothing needs, would outlast a kill
    return [*torchrun, "-m", "stages.train.worker", place]


def environment(recipe: Recipe, spread: Spread) -> dict[str, str]:
    """This process's environment, without another launcher's variables, so that processes find these packages."""
    root = str(Path(stages.__file__).resolve().parents[1])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
    forget_launcher(found)
    if not is_on_gpu(recipe):
        found["ACCELERATE_USE_CPU"] = "true"
    if spread.gpu_ids != "all":
        found["CUDA_VISIBLE_DEVICES"] = spread.gpu_ids
    found.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # a hint about unused weights, which some models have
    if recipe.threads is not None:
        found["OMP_NUM_THREADS"] = str(recipe.threads)
    return found
