"""The run's side of tracking. It tells the process of each tracker which round has ended, and never waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import stages
from stages.core.errors import InputError, first_line
from stages.core.printing.terminal import say
from stages.core.processes.inherited import forget_launcher
from stages.core.processes.interrupts import without_interrupts
from stages.track import mark
from stages.track.tracker import PACKAGES, PATIENCE

LESS_PATIENCE = 5.0  # seconds that a tracker has after a failure or Ctrl-C, in place of PATIENCE


def check_ready(trackers: Sequence[str]) -> None:
    """`InputError` if the package of a tracker is not installed."""
    for name in trackers:
        package, extra = PACKAGES[name]
        if find_spec(package) is None:
            raise InputError(
                f"track: '{name}' needs the package '{package}', which is not installed: "
                f"pip install 'vz-selfplay[{extra}]', or leave it out of track"
            )


@contextmanager
def open_tracking(run: Path, trackers: Sequence[str]) -> Iterator[Tracking]:
    """Tracking of the run `run`. After an error, trackers get a few seconds to send what they have."""
    tracking = Tracking(run, trackers)
    try:
        yield tracking
    finally:
        tracking.finish(LESS_PATIENCE)


class Tracking:
    """The trackers of a run."""

    def __init__(self, run: Path, trackers: Sequence[str]) -> None:
        if trackers:
            mark.run_id(run)
        self._trackers = [_Process(run, name) for name in trackers]

    def tell(self, number: int) -> None:
        """Say that round `number` is finished and in the run's files."""
        for tracker in self._trackers:
            tracker.tell(number)

    def finish(self, patience: float | None = None) -> list[str]:
        """End the processes within `patience` seconds (default: PATIENCE). Returns what trackers lack, as warnings."""
        patience = PATIENCE if patience is None else patience
        for tracker in self._trackers:
            tracker.hang_up()
        warnings = [warning for tracker in self._trackers if (warning := tracker.end(patience))]
        self._trackers = []
        return warnings


class _Process:
    """The process that sends to one tracker. If it ends early, the next round starts another one."""

    def __init__(self, run: Path, name: str) -> None:
        self._run, self._name = run, name
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._told, self._said, self._why, self._given_up = mark.NOTHING, set[str](), "", ""

    def tell(self, number: int) -> None:
        self._told = number
        if number <= mark.sent(self._run, self._name):
            return  # a run that went back, or one that is complete
        if self._process is None or self._process.poll() is not None:
            try:
                self._start()
            except OSError as error:  # no memory for it, or no room for its log
                self._fails(first_line(error))
                return
        with suppress(OSError):  # it has just ended
            print(number, file=self._stdin, flush=True)

    def hang_up(self) -> None:
        if self._process is not None:
            with suppress(OSError):
                self._stdin.close()

    def end(self, patience: float) -> str | None:
        """Wait for the process, up to `patience` seconds. Returns what the tracker lacks, in words."""
        if self._process is not None:
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._given_up = f"it did not end within {patience:.0f} seconds"
                self._process.kill()
                self._process.wait()
            assert self._reader is not None
            self._reader.join(1.0)  # a process that the tracker started may hold the pipe
        has = mark.sent(self._run, self._name)
        failure = self._given_up or self._why
        if has >= self._told and not failure:
            return None
        lacks = f"has the rounds up to {has} of {self._told}" if has < self._told else "may lack what it sent last"
        why = f"{failure or 'it has not answered'}; see {self._log}"
        return f"{self._name}: {lacks} ({why}); the run itself lost nothing: repeat the command to send the rest"

    @property
    def _stdin(self) -> IO[str]:
        assert self._process is not None and self._process.stdin is not None
        return self._process.stdin

    @property
    def _log(self) -> Path:
        return self._run / mark.FOLDER / f"{self._name}.log"

    def _start(self) -> None:
        """Start the process. It ends by itself when this process does, because its stdin closes."""
        root = str(Path(stages.__file__).resolve().parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        forget_launcher(environment)
        with self._log.open("a") as log, without_interrupts():
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "stages.track.sender", str(self._run), self._name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=environment,
            )
        self._reader = threading.Thread(target=self._listen, args=(self._process,), name="tracking", daemon=True)
        self._reader.start()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        """Read the answers of the process until it ends."""
        assert process.stdout is not None
        for line in process.stdout:
            answer = json.loads(line)
            if "where" in answer:
                self._say(f"{self._name}: {answer['where']}")
            elif "lacks" in answer:
                self._say(f"warning: {self._name}: a round is sent without its games: {answer['lacks']}")
            else:
                self._fails(answer.get("failed", ""))
        if (code := process.wait()) and not self._given_up:
            self._fails(f"its process ended with {code}")

    def _fails(self, why: str) -> None:
        """Report the first failure. An empty `why` stands for a success."""
        self._why = why
        if why and "failed" not in self._said:
            self._said.add("failed")
            self._say(
                f"warning: {self._name}: {why} (see {self._log}); the run goes on, and rounds are sent again after the "
                "next one"
            )

    def _say(self, text: str) -> None:
        """Print it once."""
        if text not in self._said:
            self._said.add(text)
            say(text)
