"""A file of a finished folder is cut off, changed, emptied, swapped or lost; then vz is asked to use the folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

from tests.torture.child import Command, run
from tests.torture.kinds import Try, copy, tree_of
from tests.torture.mutate import spoil
from tests.torture.world import ANY_POLICY, QUIET, ROOT, SCRIPTED

LIMIT = 30.0  # seconds for a command that may train, and takes a few
FOLDERS = {
    "run": 3,
    "scripted": 4,
    "games": 2,
    "rollouts": 2,
    "scored": 2,
    "kept": 2,
    "checkpoint": 3,
    "state": 2,
    "evaluation": 2,
}


class Spoilt:
    """Spoilt files."""

    share, batch, few = 0.18, 1, 50

    def missing(self) -> str:
        return ""

    def prepare(self, tries: Sequence[Try]) -> None:
        for one in tries:
            dice = one.dice()
            name = dice.choices(list(FOLDERS), list(FOLDERS.values()))[0]
            place = copy(one.world / name, one.input / name)
            one.about = _spoil_one(place, dice)
            one.commands = dice.sample(_commands(name, one.world), 2)

    def attempt(self, tries: Sequence[Try]) -> None:
        """An error must name a file; and `--verify` must notice a file that is not as it was made."""
        for one in tries:
            for command in one.commands:
                trains = command[0] in ("iterate", "train")  # its threads reserve more addresses than a reader has
                end = run(command, one.input, one.said, LIMIT, limited=not trains)
                one.found.judge(end, names=[*FOLDERS, "out"])
                if "--verify" in command and end.code == 0 and self._should_notice(one):
                    one.found.add("different", f"{one.about}: --verify did not notice")

    def _should_notice(self, one: Try) -> bool:
        """Whether the spoilt file is one that a manifest records."""
        name = one.about.split(":")[0]
        folder, _, inside = name.partition("/")
        manifest = json.loads((one.world / folder / "manifest.json").read_text())
        return inside in manifest.get("outputs", {})


def _spoil_one(place: Path, dice: Random) -> str:
    """Spoil one file, of a kind drawn first: a run has many more tables than states."""
    files = tree_of(place)
    file = place / dice.choice(
        [name for name in files if Path(name).suffix == dice.choice(sorted({Path(n).suffix for n in files}))] or files
    )
    how = dice.randrange(10)
    if how == 0:
        file.unlink()
        words = "lost"
    elif how == 1 and len(files) > 1:
        one = file.read_bytes()
        other = place / dice.choice([name for name in files if (place / name).read_bytes() != one])
        two = other.read_bytes()
        file.write_bytes(two)
        other.write_bytes(one)
        words = f"swapped with {other.name}"
    else:
        good = data = file.read_bytes()
        while data == good:  # zeros in place of zeros spoil nothing
            words, data = spoil(good, dice)
        file.write_bytes(data)
    return f"{place.name}/{file.relative_to(place)}: {words}"


def _commands(name: str, world: Path) -> list[Command]:
    """What one may do with such a folder."""
    games, rollouts = str(world / "games"), str(world / "rollouts")
    look: list[Command] = [["inspect", name], ["inspect", name, "--verify"]]
    own_words = ["--set", f"model.path={ROOT / 'data/tiny-model'}"]
    goes_on: dict[str, list[Command]] = {
        "run": [["report", name, "--out", "report.html"], ["export", name, "--to", "model", "--out", "out"],
                ["iterate", "--out", name, "--games", games, "--rounds", "3", *QUIET, "--set", "iterate.games=4"],
                ["iterate", "--out", name, "--games", games, "--rounds", "2", *QUIET, "--set", "iterate.games=4"]],
        "scripted": [["report", name, "--out", "report.html"],
                     ["iterate", "--out", name, "--games", games, "--rounds", "4", *SCRIPTED, *QUIET, "--set", "iterate.games=4"]],
        "games": [["rollout", name, "--split", "all", "--out", "out", *SCRIPTED], ["export", name, "--out", "out"],
                  ["inspect", name, "--gallery", "gallery.html"], ["make-games", "--from", name, "--out", "out", "--processes", "1"],
                  ["iterate", "--out", "out", "--games", name, "--rounds", "1", *SCRIPTED, *QUIET, "--set", "iterate.games=4"]],
        "rollouts": [["score", name, "--out", "out"], ["inspect", name, "--game", "1"],
                     ["filter", str(world / "scored"), "--rollouts", name, "--out", "out"],
                     ["train", str(world / "kept"), "--rollouts", name, "--out", "out"]],
        "scored": [["filter", name, "--rollouts", rollouts, "--out", "out"]],
        "kept": [["train", name, "--rollouts", rollouts, "--games", games, "--out", "out"]],
        "checkpoint": [["export", name, "--to", "model", "--out", "out"],
                       ["rollout", games, "--split", "dev", "--model", name, "--out", "out", *own_words],
                       ["train", str(world / "kept"), "--model", name, "--out", "out", *ANY_POLICY]],
        "state": [["train", str(world / "kept"), "--model", str(world / "checkpoint"), "--state", name, "--out", "out",
                   *ANY_POLICY]] * 2,
        "evaluation": [],
    }  # fmt: skip
    return (look if name != "state" else []) + goes_on[name]
