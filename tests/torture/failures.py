"""What failed is kept, and can be made again with one command."""

from __future__ import annotations

import json
import shlex
import tempfile
from pathlib import Path

from tests.torture import lanes, world
from tests.torture.kinds import Kind, Try, copy

AT_MOST = 200  # kept failures of a kind
CASE, CMD = "case.json", "cmd"


def keep(kind: str, what: Kind, one: Try, folder: Path) -> None:
    """Keep a failed try: what it read, the commands, the seed of its draws, and what was wrong."""
    folder.mkdir(exist_ok=True)
    if len(list(folder.glob(f"{kind}-*"))) >= AT_MOST:
        return
    place = _new_folder(folder, kind)
    fresh = Try(one.seed, place, one.world)
    what.prepare([fresh])
    lines = ["# vz, given here:", "cd input", *(f"vz {shlex.join(command)}" for command in fresh.commands)]
    (place / CMD).write_text("\n".join(lines) + f"\n# or: python -m tests.torture --again {place}\n")
    case = {"kind": kind, "seed": one.seed, "about": one.about, "commands": fresh.commands, "world": str(one.world)}
    (place / CASE).write_text(json.dumps({**case, "faults": one.found.faults}, indent=2) + "\n")


def again(place: Path) -> int:
    """Make a kept try again, and print what was found. Exit code 1 if anything was."""
    case = json.loads((place / CASE).read_text())
    made = Path(case["world"])
    if not made.is_dir():
        world.make(made)
    with tempfile.TemporaryDirectory() as folder:
        one = Try(case["seed"], Path(folder), made, commands=case["commands"], about=case["about"])
        kind = lanes.KINDS[case["kind"]]
        if (place / "input").is_dir():
            copy(place / "input", one.input)
        else:
            kind.prepare([one])
        kind.attempt([one])
        for column, faults in one.found.faults.items():
            print(*(f"{column}: {fault}" for fault in faults), sep="\n")
    print(f"{case['about']}: {'failed' if one.found.faults else 'passed'}")
    return int(bool(one.found.faults))


def _new_folder(folder: Path, kind: str) -> Path:
    number = len(list(folder.iterdir())) + 1
    while True:
        place = folder / f"{kind}-{number:04d}"
        try:
            place.mkdir()
        except FileExistsError:
            number += 1
            continue
        return place
