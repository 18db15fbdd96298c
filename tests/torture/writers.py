"""Two commands write the same output at the same time, or one reads what the other writes."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.torture.child import POLL, Running
from tests.torture.kinds import Try
from tests.torture.subjects import CHEAP, DEAR, OUT, commands, compare, left_behind, undisturbed
from tests.torture.world import LIMIT


class Writers:
    """Two writers."""

    share, batch, few = 0.04, 1, 4

    def missing(self) -> str:
        return ""

    def prepare(self, tries: Sequence[Try]) -> None:
        for one in tries:
            dice, known = one.dice(), commands(one.world)
            one.about = dice.choices(list(known), [DEAR if name in CHEAP else 1 for name in known])[0]
            command = known[one.about]
            look = (
                ["report", OUT, "--out", "r.html"]
                if command[0] == "iterate" and dice.random() < 0.5
                else ["inspect", OUT]
            )
            one.commands = [command, look if dice.random() < 0.3 else command]
            one.place.mkdir(parents=True, exist_ok=True)

    def attempt(self, tries: Sequence[Try]) -> None:
        for one in tries:
            _attempt(one)


def _attempt(one: Try) -> None:
    whole, (command, other) = undisturbed(one.about, one.world), one.commands
    first = Running(command, one.place, one.said)
    moment = one.dice("moment").uniform(0, whole.seconds)
    while first.is_running() and first.seconds() < moment:
        time.sleep(POLL)
    second = Running(other, one.place, one.place / "said" / "second")
    ends = first.wait(LIMIT), second.wait(LIMIT)
    for end in ends:
        one.found.judge(end, codes=[0, 2])
        if end.code == 2 and list(end.command) == list(command) and "another vz process" not in end.err:
            one.found.add("unclear", f"a second writer: {end.err}")
    if all(end.code for end in ends if list(end.command) == list(command)):
        one.found.add("lost", "neither of two writers ended well")
        return
    (one.place / "r.html").unlink(missing_ok=True)
    compare(one.place, whole, one.found)
    for name in left_behind(one.place, one.said):
        one.found.add("leftovers", name)
