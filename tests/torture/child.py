"""`vz` in a process of its own, which is a copy of one that has imported everything, and how it ends.

A new Python needs seconds to import torch; a copy needs milliseconds. The copy calls the command line's own `main`, in
a session of its own, with its own folder for temporary files and a standard input on which nobody ever answers.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture.patience import LOOK, Patience, in_session, measured

IMPORTED = ["peft", "trl", "PIL.Image", "stages.iterate", "stages.train.training", "stages.train.stub", "vzcli.main"]
IMPORTED += [
    "stages.core.engines.fake",
    "stages.doctor",
    "stages.core.engines.transformers",
    "stages.evaluate",
    "stages.report",
]
IMPORTED += ["stages.inspect.look", "stages.inspect.verify", "stages.export", "stages.make_games", "stages.rollout"]
MEMORY = 2 << 30  # bytes of address space that a reader may take beyond what is imported
READ_AT_MOST = 1 << 20  # bytes of output
POLL = 0.005  # seconds

Command = Sequence[str]


@dataclass(frozen=True)
class End:
    """How a command ended."""

    command: Command
    code: int  # negative: the signal that ended it
    out: str
    err: str
    seconds: float  # without those in which it only waited for a processor
    peak: int  # bytes of memory
    hung: bool = False  # it was killed after its time


def warm() -> None:
    """Import what the copies need. Nothing here may start threads that a copy would miss, so no table is read."""
    for name in IMPORTED:
        importlib.import_module(name)


class Running:
    """A command that runs. `place` gets its output and its temporary files."""

    def __init__(
        self,
        command: Command,
        cwd: Path,
        place: Path,
        *,
        new_python: bool = False,
        limited: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self.command, self._place = list(command), place
        (place / "tmp").mkdir(parents=True, exist_ok=True)
        self._answer, question = os.pipe()[::-1]
        _flush()
        self.pid = os.fork()
        if not self.pid:
            _in_copy(lambda: self._become(cwd, question, new_python, limited, before))
        os.close(question)
        self._ended = os.pidfd_open(self.pid)  # can be read once the command has ended
        self._began, self._seconds = measured(self.pid), 0.0
        self._end: End | None = None

    def _become(self, cwd: Path, question: int, new_python: bool, limited: bool, before: Callable[[], None]) -> int:
        os.close(self._answer)
        os.setsid()
        os.dup2(question, 0)
        _settle(cwd, self._place, limited)
        before()
        if new_python:
            os.execv(sys.executable, [sys.executable, "-m", "vzcli", *self.command])
        return call_main(self.command)

    def is_running(self) -> bool:
        if self._end is None:
            self._seconds = max(self._seconds, measured(self.pid) - self._began)
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._finish(status, usage, hung=False)
        return self._end is None

    def seconds(self) -> float:
        return self._seconds

    def signal(self, how: signal.Signals, *, group: bool) -> None:
        if self.is_running():
            (os.killpg if group else os.kill)(self.pid, how)

    def wait(self, limit: float) -> End:
        """The end, which is a hang if it has not come after `limit` more seconds."""
        patience = Patience(self.pid)
        while self.is_running():
            if patience.seconds() > limit:
                os.killpg(self.pid, signal.SIGKILL)
                _, status, usage = os.wait4(self.pid, 0)
                self._finish(status, usage, hung=True)
            else:
                select.select([self._ended], [], [], LOOK)
        assert self._end is not None
        return self._end

    def survivors(self, patience: float) -> list[int]:
        """Processes of the command that are there `patience` seconds after its end; they are then killed."""
        until = time.monotonic() + patience
        while (left := in_session(self.pid)) and time.monotonic() < until:
            time.sleep(0.05)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return left

    def _finish(self, status: int, usage: resource.struct_rusage, *, hung: bool) -> None:
        os.close(self._answer)
        os.close(self._ended)
        self._end = End(
            self.command,
            os.waitstatus_to_exitcode(status),
            read_start(self._place / "out"),
            read_start(self._place / "err"),
            self._seconds,
            usage.ru_maxrss << 10,
            hung,
        )


def run(
    command: Command, cwd: Path, place: Path, limit: float, *, new_python: bool = False, limited: bool = False
) -> End:
    """Run a command to its end."""
    return Running(command, cwd, place, new_python=new_python, limited=limited).wait(limit)


def run_many(work: Sequence[tuple[Path, Command]], place: Path, limit: float) -> list[End]:
    """Run commands one after the other, as many as possible in one copy. Each has its folder and `limit` seconds."""
    ends: list[End] = []
    while len(ends) < len(work):
        ends += _run_in_one(work[len(ends) :], place, limit)
    return ends


def _run_in_one(work: Sequence[tuple[Path, Command]], place: Path, limit: float) -> list[End]:
    """The ends of the first commands, up to one that ends the process."""
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    answer, question = os.pipe()[::-1]
    _flush()
    pid = os.fork()
    if not pid:
        os.close(reader)
        os.close(answer)
        _in_copy(lambda: _one_by_one(work, place, question, writer))
    os.close(writer)
    os.close(question)
    ends: list[End] = []
    patience, hung, waiting = Patience(pid), False, b""
    while True:
        if select.select([reader], [], [], 0.1)[0]:
            data = os.read(reader, 65536)
            if not data:
                break
            *lines, waiting = (waiting + data).split(b"\n")
            ends += [End(work[len(ends) + n][1], **json.loads(line)) for n, line in enumerate(lines)]
            patience = Patience(pid)
        elif patience.seconds() > limit:
            hung = True
            os.killpg(pid, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    os.close(reader)
    os.close(answer)
    if len(ends) < len(work):
        said = read_start(place / "out"), read_start(place / "err")
        code = os.waitstatus_to_exitcode(status)
        ends.append(End(work[len(ends)][1], code, *said, 0.0, usage.ru_maxrss << 10, hung))
    return ends


def _one_by_one(work: Sequence[tuple[Path, Command]], place: Path, question: int, writer: int) -> int:
    os.setsid()
    os.dup2(question, 0)
    for cwd, command in work:
        began = measured(os.getpid())
        _settle(cwd, place, limited=True)
        code = call_main(command)
        _flush()
        end = {
            "code": code,
            "out": read_start(place / "out"),
            "err": read_start(place / "err"),
            "seconds": measured(os.getpid()) - began,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10,
        }
        os.write(writer, json.dumps(end).encode() + b"\n")
    return 0


def call_main(command: Command) -> int:
    """The command line's `main` as a new Python would call it."""
    main = importlib.import_module("vzcli.main")
    sys.modules["__main__"] = main  # what new processes of the command import
    sys.argv = ["vz", *command]
    try:
        main.main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def in_copy(function: Callable[..., Any], *arguments: Any) -> Any:
    """What the function returns (as JSON), computed in a copy: Polars starts threads, and no later copy would have them."""
    with tempfile.TemporaryFile() as answer:

        def work() -> int:
            answer.write(json.dumps(function(*arguments)).encode())
            answer.flush()
            return 0

        _flush()
        pid = os.fork()
        if not pid:
            _in_copy(work)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            raise RuntimeError(f"{function.__name__} ended with {code}; its traceback is above")
        answer.seek(0)
        return json.loads(answer.read())


def read_start(file: Path) -> str:
    if not file.exists():  # the command was killed before it had begun
        return ""
    with file.open("rb") as open_file:
        return open_file.read(READ_AT_MOST).decode(errors="replace")


def _settle(cwd: Path, place: Path, limited: bool) -> None:
    for number, name in ((1, "out"), (2, "err")):
        handle = os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        os.dup2(handle, number)
        os.close(handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["TMPDIR"], tempfile.tempdir = str(place / "tmp"), None
    os.chdir(cwd)
    if limited and resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def _in_copy(work: Callable[[], int]) -> None:
    """Run what the copy is for, and end it without what the original would do at its end."""
    code = 1
    try:
        code = work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _flush()
        os._exit(code & 0xFF)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue
