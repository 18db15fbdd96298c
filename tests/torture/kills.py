"""Commands are killed again and again at random moments; the same command must then end as if nothing had happened."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from random import Random

from tests.processes import kill_at_change
from tests.torture.child import POLL, End, Running
from tests.torture.kinds import Try
from tests.torture.subjects import CHEAP, DEAR, Undisturbed, commands, compare, left_behind, undisturbed
from tests.torture.world import LIMIT

SIGNALS = {signal.SIGKILL: 5, signal.SIGTERM: 2, signal.SIGINT: 3}
SOON = 5.0  # seconds in which a signal must end a command
AT_MOST = 3  # kills of one command
NEW_PYTHON = 0.03  # share of kills of the real command line
IMPORTS = 3.0  # seconds for which it imports


class Kills:
    """Kills."""

    share, batch, few = 0.3, 1, 40

    def missing(self) -> str:
        return ""

    def prepare(self, tries: Sequence[Try]) -> None:
        for one in tries:
            known = commands(one.world)
            one.about = one.dice().choices(list(known), [DEAR if name in CHEAP else 1 for name in known])[0]
            one.commands = [known[one.about]]
            one.place.mkdir(parents=True, exist_ok=True)

    def attempt(self, tries: Sequence[Try]) -> None:
        for one in tries:
            _attempt(one, one.dice("kills"))


def _attempt(one: Try, dice: Random) -> None:
    whole, command = undisturbed(one.about, one.world), one.commands[0]
    one.found.tries, kills = 0, dice.randint(1, AT_MOST)
    while one.found.tries < kills:
        running = _kill(one, whole, dice)
        end = running.wait(LIMIT)
        one.found.tries += 1
        if left := running.survivors(SOON):
            one.found.add(
                "leftovers", f"{len(left)} processes of vz {' '.join(end.command)} after its end by {end.code}"
            )
        if end.code == 0:
            break
    last = Running(command, one.place, one.said)
    end = last.wait(LIMIT)
    one.found.judge(end, codes=[0])
    if end.code == 0:
        compare(one.place, whole, one.found)
        for name in left_behind(one.place, one.said):
            one.found.add("leftovers", name)


def _kill(one: Try, whole: Undisturbed, dice: Random) -> Running:
    """Start the command, and kill it at a change of the disk or at a moment. Returns it, ended."""
    command, group = one.commands[0], dice.random() < 0.5
    if dice.random() < 0.4:
        number = dice.randint(1, whole.changes)
        running = Running(command, one.place, one.said, before=lambda: kill_at_change(number, group=group))
        end = running.wait(LIMIT)
        one.found.judge(end, codes=[0, -signal.SIGKILL])
        return running
    how = dice.choices(list(SIGNALS), list(SIGNALS.values()))[0]
    new = dice.random() < NEW_PYTHON
    moment = dice.uniform(0.0, whole.seconds + IMPORTS if new else whole.seconds)
    running = Running(command, one.place, one.said, new_python=new)
    while running.is_running() and running.seconds() < moment:
        time.sleep(POLL)
    running.signal(how, group=group)
    end = running.wait(SOON)
    _judge(one, end, how)
    return running


def _judge(one: Try, end: End, how: signal.Signals) -> None:
    codes = [0, 130] if how == signal.SIGINT else [0, -how]
    if "<frozen site>" in end.err and "vzcli" not in end.err:
        return  # Python itself was starting; nothing of vz runs then
    one.found.judge(end, codes=codes)
    if end.code == 130 and "interrupted; finished work is kept" not in end.err:
        one.found.add("unclear", f"Ctrl-C ends without a word: {end.err[-300:]!r}")
