"""Power cuts for real: ext4 is shut down under a run, and the same command resumes the run.

`python -m tests.iterate.power_cuts --cuts 30` (as root; Linux with loop devices). Each trial makes a fresh file system in
an image, starts a run on it, and at one of its many changes of the disk shuts the file system down without writing its
journal: what was not synced is gone, as after a hard reset. Then the same command is given again, and what it ends with
is compared with an undisturbed run, file by file.

Without `--real` the engine gives scripted answers and the trainer only counts, which goes faster.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.iterate.test_kills import fingerprint

ROOT = Path(__file__).resolve().parents[2]
IMAGE_BYTES = 512 << 20

# Shuts the file system down and kills itself at the n-th event: before and after each sync and each renaming.
DRIVER = """
import fcntl, os, signal, struct, sys
from pathlib import Path
cut_at, mount, out, boot, real = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), sys.argv[5] == "real"
EXT4_IOC_SHUTDOWN, WITHOUT_THE_JOURNAL = 0x8004587D, 2
count = 0
def event():
    global count
    count += 1
    if count == cut_at:
        fcntl.ioctl(os.open(mount, os.O_RDONLY), EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_THE_JOURNAL))
        os.kill(os.getpid(), signal.SIGKILL)
def counted(function):
    def call(*args, **kwargs):
        event()
        result = function(*args, **kwargs)
        event()
        return result
    return call
for name in ("fsync", "replace", "rename", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
from stages import iterate
try:
    from stages.core.folder import locking
    locking.BOOT = boot
except ImportError:
    pass
from stages.core.recipe import load
from tests.helpers import fake_recipe
recipe = load("tiny", sys.argv[6:]) if real else fake_recipe(*sys.argv[6:])
report = iterate.run(recipe, out)
print(count)
for warning in report.warnings:
    if any(words in warning for words in ("missing or changed", "run again")):
        print(warning, file=sys.stderr)
"""

RECIPE = ["games.pairs=6", "games.dev_fraction=0", "games.test_fraction=0", "games.processes=1", "games.samples=1",
          "iterate.games=4", "iterate.rounds=3", "iterate.switching=cycle", "iterate.preflight=2",
          "rollout.concurrent_games=2", "evaluate.every=0"]  # fmt: skip
REAL = ["train.tokens_per_batch=2048"]


@contextmanager
def disk(image: Path, mount: Path) -> Iterator[None]:
    """The file system of the image, mounted; its device goes afterwards."""
    device = _run("losetup", "--find", "--show", image).strip()
    try:
        _run("mount", device, mount)
        try:
            yield
        finally:
            _run("umount", mount)
    finally:
        _run("losetup", "--detach", device)


def fresh(image: Path) -> None:
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    _run("mkfs.ext4", "-q", image)


def drive(cut_at: int, mount: Path, boot: Path, real: bool) -> subprocess.CompletedProcess[str]:
    more = REAL if real else []
    command = [sys.executable, "-c", DRIVER, str(cut_at), str(mount), str(mount / "run"), str(boot),
               "real" if real else "fake", *RECIPE, *more]  # fmt: skip
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class Trials:
    """Runs whose power is cut, and what an undisturbed one ends with, after so many events."""

    place: Path
    real: bool
    expected: dict[str, str]
    events: int

    @classmethod
    def begin(cls, place: Path, real: bool) -> Trials:
        """Run once undisturbed. `place` gets the image of the disk."""
        (place / "mnt").mkdir(parents=True)
        (place / "boot").write_text("0")
        fresh(place / "disk.img")
        with disk(place / "disk.img", place / "mnt"):
            whole = drive(0, place / "mnt", place / "boot", real)
            assert whole.returncode == 0, whole.stderr
            return cls(place, real, fingerprint(place / "mnt/run"), int(whole.stdout))

    def cut(self, cut_at: int) -> str:
        """How a run ends whose power was cut at this event, and to which the command was given again."""
        image, mount, boot = (self.place / name for name in ("disk.img", "mnt", "boot"))
        fresh(image)
        boot.write_text(f"before {cut_at}")
        with disk(image, mount):
            cut = drive(cut_at, mount, boot, self.real)
            if cut.returncode != -signal.SIGKILL:
                return f"no cut: {cut.stderr[-300:]}"
        boot.write_text(f"after {cut_at}")
        with disk(image, mount):
            again = drive(0, mount, boot, self.real)
            if again.returncode != 0:
                return "refused\n" + again.stderr[-300:]
            found, expected = fingerprint(mount / "run"), self.expected
            odd = sorted(name for name in {**found, **expected} if found.get(name) != expected.get(name))
            lost = "".join(f"\n  {line}" for line in again.stderr.splitlines() if "missing or changed" in line)
            return ("the same bytes" if not odd else f"other bytes\n{odd[:3]}") + lost


def trials(cuts: int, real: bool) -> Counter[str]:
    """How `cuts` power cuts, spread evenly over the events of a run, ended; each trial is printed."""
    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        runs = Trials.begin(Path(folder, "runs"), real)
        print(f"an undisturbed run has {runs.events} events and {len(runs.expected)} files", flush=True)
        for number in range(cuts):
            cut_at = 1 + (2 * number + 1) * runs.events // (2 * cuts)
            end = runs.cut(cut_at)
            ends[end.splitlines()[0]] += 1
            print(f"cut {number + 1} at event {cut_at}: {end}", flush=True)
    return ends


def can_cut() -> bool:
    """Whether this machine lets us make and mount file systems; in a container even root may not."""
    tools = all(shutil.which(name) for name in ("losetup", "mkfs.ext4", "mount", "umount"))
    if not tools or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        image, mount = Path(folder, "disk.img"), Path(folder, "mnt")
        mount.mkdir()
        fresh(image)
        try:
            with disk(image, mount):
                return True
        except (subprocess.CalledProcessError, OSError):
            return False


def _run(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cuts", type=int, default=30)
    parser.add_argument("--real", action="store_true", help="with the tiny model and the real trainer")
    given = parser.parse_args()
    if not can_cut():
        print("this needs root, loop devices and e2fsprogs", file=sys.stderr)
        return 2
    ends = trials(given.cuts, given.real)
    print(dict(ends))
    return 0 if ends == {"the same bytes": given.cuts} else 1


if __name__ == "__main__":
    sys.exit(main())
