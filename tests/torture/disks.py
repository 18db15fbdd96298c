"""The disk is full, at a point drawn anew each time; with more room, the same command must finish."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.torture.child import run
from tests.torture.kinds import Try
from tests.torture.subjects import OUT, commands, compare, left_behind, undisturbed
from tests.torture.world import LIMIT

ENOUGH = "512m"


class Disks:
    """Full disks."""

    share, batch, few = 0.05, 1, 4

    def missing(self) -> str:
        return "" if can_mount() else "this machine does not let us mount small disks, which needs root"

    def prepare(self, tries: Sequence[Try]) -> None:
        for one in tries:
            known = commands(one.world)
            one.about = one.dice().choice(list(known))
            one.commands = [known[one.about]]
            one.place.mkdir(parents=True, exist_ok=True)

    def attempt(self, tries: Sequence[Try]) -> None:
        for one in tries:
            _attempt(one)


def _attempt(one: Try) -> None:
    """A full disk is named; with more room the command finishes as if it had had it before."""
    dice, whole, command = one.dice("size"), undisturbed(one.about, one.world), one.commands[0]
    needed = sum(file.stat().st_size for file in Path(whole.folder, OUT).rglob("*") if file.is_file())
    room = int(dice.uniform(0.02, 1.1) * needed) // 4096 + 1
    here = one.place / "disk"
    with small_disk(here, f"{room * 4}k"):
        said = dice.choice([one.said, here / "said"])  # temporary files on the full disk, too
        (here / "said").mkdir()
        end = run(command, here, one.said, LIMIT)
        one.found.judge(end, codes=[0, 1], names=[str(here)])
        if end.code == 1 and "disk is full" not in end.err:
            one.found.add("unclear", f"vz {' '.join(command)} on a full disk: {end.err[-300:]}")
        subprocess.run(["mount", "-o", f"remount,size={ENOUGH}", here], check=True)
        end = run(command, here, said, LIMIT)
        one.found.judge(end, codes=[0])
        if end.code == 0:
            compare(here, whole, one.found)
            for name in left_behind(here, said):
                one.found.add("leftovers", name)


def can_mount() -> bool:
    """Whether we may mount a disk; in a container even root may not."""
    if os.geteuid() or not shutil.which("mount"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        try:
            with small_disk(Path(folder, "disk"), "4k"):
                return True
        except subprocess.CalledProcessError:
            return False


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)
