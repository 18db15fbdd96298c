"""After SIGKILL at any write, the same command continues a run to the same bytes and plays nothing twice."""

import hashlib
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from stages import iterate
from stages.core.engines.base import Completion, Request
from stages.core.engines.fake import FakeEngine
from tests.helpers import fake_recipe, write_games
from tests.processes import forked, kill_at_change

# Rounds 1 and 2 are not saved.
RECIPE = ["iterate.games=4", "iterate.rounds=4", "rollout.concurrent_games=2", "iterate.save_every=3"]
RECIPE += ["iterate.switching=cycle", "iterate.cycle_length=3"]
RECIPE += ["iterate.alarms.na.limit=0.01", "iterate.alarms.na.action=adapt", "iterate.alarms.na.weight=learning_rate"]
RECIPE += ["train.outside_rows=2", "outside.prompts=4", "iterate.guard.every=2", "iterate.guard.questions=4"]
RECIPE += ["evaluate.every=4", "evaluate.games=2", "evaluate.transcripts=2", "evaluate.questions=0"]
AHEAD = [*RECIPE, "iterate.play_ahead=true", "evaluate.every=0"]
AGAIN = 2 * (4 + 1) + 2 * 2 * 2  # requests of one block of two games, or of an evaluation's votes by two policies
NEVER = 10**9


class Logged(FakeEngine):
    """Notes each request in a file, which outlives the process."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._requests = log

    async def generate(self, request: Request) -> list[Completion]:
        with self._requests.open("a") as log:
            log.write(f"{request.seed} {request.n}\n")
        return await super().generate(request)


def run_until(kill_at: int, out: Path, games: Path, settings: list[str]) -> None:
    """Run the loop and kill this process at the n-th change of the disk; without a kill, note how many there were."""
    changes: list[None] = []
    kill_at_change(kill_at, syncs=False, seen=lambda: changes.append(None))
    iterate.run(fake_recipe(*settings), out, games=games, engine=Logged(out.parent / "asked.log"))
    (out.parent / "writes").write_text(str(len(changes)))


def drive(kill_at: int, out: Path, games: Path, settings: list[str] = RECIPE) -> int:
    """Run the loop in a process of its own and return its exit code."""
    out.parent.mkdir(exist_ok=True)
    return forked(run_until, kill_at, out, games, settings)


def fingerprint(run: Path) -> dict[str, str]:
    """Hashes of all tables, checkpoints and metrics; not of manifests and timings, which hold times of day."""
    files = [
        path
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in {"manifest.json", "timings.jsonl"}
    ]
    return {str(path.relative_to(run)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Undisturbed(NamedTuple):
    games: Path
    files: dict[str, str]
    writes: int
    asked: int


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The games, what a run on them ends with, how often it writes, and how many requests it makes."""
    folder = tmp_path_factory.mktemp("whole")
    games, out = write_games(folder / "games", fake_recipe(), count=10, scenes=True), folder / "run"
    assert drive(NEVER, out, games) == 0
    return Undisturbed(games, fingerprint(out), writes(out), _asked(out))


def test_a_run_killed_at_any_write_ends_with_the_same_bytes(tmp_path: Path, undisturbed: Undisturbed):
    assert undisturbed.writes > 60
    for kill_at in range(2, undisturbed.writes + 1, undisturbed.writes // 11):
        out = tmp_path / f"killed-{kill_at}" / "run"
        assert drive(kill_at, out, undisturbed.games) == -signal.SIGKILL
        assert drive(NEVER, out, undisturbed.games) == 0
        assert fingerprint(out) == undisturbed.files, f"killed at write {kill_at}"
        assert _asked(out) - undisturbed.asked <= AGAIN, f"killed at write {kill_at}"


def test_a_run_that_plays_ahead_and_is_killed_again_and_again_still_ends(tmp_path: Path, undisturbed: Undisturbed):
    assert drive(NEVER, tmp_path / "whole/run", undisturbed.games, AHEAD) == 0
    out, kills = tmp_path / "often/run", 0
    while (code := drive(50, out, undisturbed.games, AHEAD)) == -signal.SIGKILL:
        kills += 1
        assert kills < 100
    assert code == 0 and kills > 3
    assert fingerprint(out) == fingerprint(tmp_path / "whole/run")


def test_a_lock_refuses_a_second_run(games: Path, tmp_path: Path):
    from stages.core.errors import InputError
    from stages.core.folder import artifact

    with artifact.locked(tmp_path / "run"), pytest.raises(InputError, match="another vz process"):
        iterate.run(fake_recipe(*RECIPE), tmp_path / "run", games=games)


def _asked(run: Path) -> int:
    return len((run.parent / "asked.log").read_text().splitlines())


def writes(run: Path) -> int:
    """How often an undisturbed run changed the disk."""
    return int((run.parent / "writes").read_text())
