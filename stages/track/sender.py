"""The process that sends a run's rounds to one tracker: `python -m stages.track.sender RUN TRACKER`.

Each tracker has its own process, so a tracker that hangs, exits or crashes cannot stop or delay the run. Each line of
stdin names the last finished round. Each line of stdout is an answer: what has been sent, or what failed. Whatever the
tracker prints goes to its log. When stdin ends, as it does when the run is killed, the process sends what is left.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from stages.core.errors import InputError, first_line
from stages.core.pages.run_files import flat
from stages.core.yaml_text import read_yaml
from stages.track import mark
from stages.track.record import Record, read_record
from stages.track.tracker import PATIENCE, Run, Tracker, open_tracker


class Sender:
    """Sends rounds in order. After a failure, starts again at the first round that was not sent."""

    def __init__(self, run: Path, name: str, answers: TextIO) -> None:
        self._run, self._name, self._answers = run, name, answers
        self._tracker: Tracker | None = None

    def send(self, last: int) -> None:
        """Send what the tracker lacks up to round `last`, and answer how far it got."""
        try:
            for number in range(mark.sent(self._run, self._name) + 1, last + 1):
                record = self._record(number)
                if record.figures:  # round 0 has figures only if the base model was evaluated
                    self._open().log(record)
                mark.mark_sent(self._run, self._name, number)
            self._answer(sent=mark.sent(self._run, self._name))
        except (Exception, SystemExit) as error:
            self._failed(error)

    def close(self) -> None:
        try:
            if self._tracker is not None:
                self._tracker.close()
        except (Exception, SystemExit) as error:
            self._failed(error)

    def _open(self) -> Tracker:
        if self._tracker is None:
            text = (self._run / "recipe.yaml").read_text(encoding="utf-8")
            settings = flat(read_yaml(self._run / "recipe.yaml"))
            known = Run(self._run, mark.run_id(self._run), text, settings, mark.sent(self._run, self._name))
            self._tracker = open_tracker(self._name, known)
            self._answer(where=self._tracker.where)
        return self._tracker

    def _record(self, number: int) -> Record:
        """The round's record, without its games if their tables or pictures are missing."""
        try:
            return read_record(self._run, number)
        except InputError as error:
            self._answer(lacks=str(error))
            return read_record(self._run, number, with_games=False)

    def _failed(self, error: BaseException) -> None:
        traceback.print_exc()  # to the log
        self._tracker = None  # whatever state it is in
        self._answer(failed=f"{type(error).__name__}: {first_line(error)}")

    def _answer(self, **what: Any) -> None:
        print(json.dumps(what), file=self._answers, flush=True)


def main() -> None:
    run, name = Path(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_after_the_run, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the log
    with (run / mark.FOLDER / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the sender of a killed run may still be sending
        sender = Sender(run, name, answers)
        for line in sys.stdin:
            sender.send(int(line))
        sender.close()


def _end_after_the_run(parent: int) -> None:
    """End this process some time after the run was killed, even if the tracker hangs."""
    while os.getppid() == parent:
        time.sleep(1.0)
    time.sleep(PATIENCE)
    os._exit(1)


if __name__ == "__main__":
    main()
