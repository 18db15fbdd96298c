"""The other machines of a training, as the first one sees them: which joined, and what each needs to start."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

from stages.core.errors import InputError, VzError
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe
from stages.train.accelerate_file import Spread, spread_of
from stages.train.meeting import Line, Meeting, free_port

DONE = "done"  # the first machine's last word
VERSION = version("vz-selfplay")


@dataclass(frozen=True)
class Seat:
    """What a machine learns when it joins."""

    node: int  # the first machine is 0
    rendezvous: tuple[str, int]  # host and port where torch's processes meet
    recipe: Recipe
    spread: Spread


class Machines:
    """The machines that joined. Without `train.machines`, none."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._lines: list[Line] = []
        self.processes = recipe.train.processes // recipe.train.machines  # on each machine, the first one included

    def gather(self, meeting: Meeting) -> tuple[str, int] | None:
        """Wait until all machines have called. Returns where torch's processes meet; None on one machine."""
        wanted = self._recipe.train.machines - 1
        if not wanted:
            return None
        host = meeting.place.rpartition(":")[0].strip("[]")
        rendezvous = (host, free_port(host))
        say(f"training waits for {wanted} more machines: run `vz join {meeting.place}` on each")
        try:
            while len(self._lines) < wanted:
                line = meeting.accept()
                if line is not None:
                    self._welcome(line, rendezvous)
        except BaseException:
            self.leave()
            raise
        return rendezvous

    def _welcome(self, line: Line, rendezvous: tuple[str, int]) -> None:
        with suppress(EOFError, OSError):  # a machine that has left again does not count
            theirs = line.recv()
            if theirs != VERSION:
                line.send(InputError(f"this is vz {theirs}, but the first machine has {VERSION}: install that one"))
                return
            line.send(Seat(len(self._lines) + 1, rendezvous, self._recipe, spread_of(self._recipe)))
            self._lines.append(line)

    def is_one_gone(self) -> bool:
        """Whether `vz join` has ended on one of the machines."""
        return any(line.poll() for line in self._lines)  # it says nothing until it ends

    def dismiss(self) -> None:
        """Tell the machines that the run is over."""
        for line in self._lines:
            with suppress(OSError):
                line.send(DONE)
        self.leave()

    def leave(self) -> None:
        """Close the lines. A machine that was not dismissed takes this as an error."""
        for line in self._lines:
            line.close()

    def ended(self, code: int | None) -> VzError:
        """The error for a process that ended by itself. `code` is its exit code, if it ran on this machine."""
        if code is None and self._lines:
            return VzError("a training process ended on another machine; its output is there")
        return VzError(f"a training process ended (exit code {code}); its output is above")
