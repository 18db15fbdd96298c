"""Bad inputs for every reader: each must end in one clear line, within seconds, and run no code."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.torture.child import in_copy, run, run_many
from tests.torture.kinds import Try
from tests.torture.readers import READERS

LIMIT = 5.0  # seconds for an input
NEW_PYTHON = 1 / 200  # share of inputs that the real command line reads, at the price of its imports
IMPORTS = 60.0  # seconds that these may take more


class Fuzz:
    """Inputs for the readers."""

    share, batch, few = 0.35, 60, 300

    def missing(self) -> str:
        return ""

    def prepare(self, tries: list[Try]) -> None:
        made = in_copy(_make_all, [(one.seed, str(one.input), str(one.world)) for one in tries])
        for one, (about, commands) in zip(tries, made, strict=True):
            one.about, one.commands = about, commands

    def attempt(self, tries: list[Try]) -> None:
        """Read all inputs in one copy, and again alone what did not end well there."""
        work = [(one.input, command) for one in tries for command in one.commands]
        ends = iter(run_many(work, tries[0].said, LIMIT))
        for one in tries:
            for end in [next(ends) for _ in one.commands]:
                one.found.judge(end)
            one.found.look_for_code(one.input)
            if one.found.faults and "code run" not in one.found.faults:
                one.found.faults.clear()
                read(one, new_python=False)
            elif one.dice("python").random() < NEW_PYTHON:
                read(one, new_python=True)


def read(one: Try, *, new_python: bool) -> None:
    """Read an input alone."""
    for command in one.commands:
        limit = LIMIT + (IMPORTS if new_python else 0)
        one.found.judge(run(command, one.input, one.said, limit, new_python=new_python, limited=not new_python))
    one.found.look_for_code(one.input)


def _make_all(wanted: list[tuple[str, str, str]]) -> list[tuple[str, list[list[str]]]]:
    names = list(READERS)
    weights = [READERS[name][0] for name in names]
    made = []
    for seed, folder, world in wanted:
        dice = Random(seed)
        name = dice.choices(names, weights)[0]
        Path(folder).mkdir(parents=True)
        made.append((name, [list(command) for command in READERS[name][1](dice, Path(folder), Path(world))]))
    return made
