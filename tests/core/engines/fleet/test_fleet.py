"""Workers in processes: the bytes of one process, deaths, errors, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from stages import rollout
from stages.core.engines.fleet import FleetEngine
from stages.core.errors import InputError, VzError
from stages.core.folder.artifact import Report
from stages.core.recipe import Recipe
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe

ROOT = Path(__file__).resolve().parents[4]
BLOCKS = "rollout.concurrent_games=2"  # of 10 games: 5 blocks
TWO = [BLOCKS, "rollout.executor.workers=2"]
REAL = [BLOCKS, "rollout.engine=transformers", "game.prompts=compact", "rollout.max_clue_tokens=5",
        "rollout.max_vote_tokens=3"]  # fmt: skip


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    """Where workers note their deaths."""
    (tmp_path / "flags").mkdir()
    return tmp_path / "flags"


def play(recipe: Recipe, games: Path, out: Path, opener: object = engines.fake) -> Report:
    with FleetEngine(recipe, opener) as engine:  # type: ignore[arg-type]
        return rollout.run(recipe, games, out, split=None, engine=engine)


def played(out: Path) -> bytes:
    return b"".join(part.read_bytes() for part in sorted(out.glob("part-*.parquet")))


@pytest.fixture
def one_process(games: Path, tmp_path: Path) -> bytes:
    return played(rollout.run(fake_recipe(BLOCKS), games, tmp_path / "one", split=None).out)


def test_workers_compute_together_what_one_process_would(games: Path, tmp_path: Path):
    recipe = fake_recipe(*TWO)
    one = rollout.run(fake_recipe(BLOCKS), games, tmp_path / "one", split=None, engine=engines.Batching())
    two = play(recipe, games, tmp_path / "two", engines.batching)
    assert played(one.out) == played(two.out)
    other = fake_recipe("rollout.concurrent_games=3")
    three = rollout.run(other, games, tmp_path / "three", split=None, engine=engines.Batching())
    assert played(one.out) != played(three.out)  # so the engine does tell


@pytest.mark.parametrize(("block", "idle"), [(10, True), (5, False)])
def test_workers_without_games_are_told(
    block: int, idle: bool, games: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    play(fake_recipe(*TWO, f"rollout.concurrent_games={block}"), games, tmp_path / "out")  # 10 of them
    told = capsys.readouterr().err
    assert ("only 1 of 2 workers have games" in told and "5 or less would give" in told) == idle


@pytest.mark.slow
def test_workers_of_a_real_engine_give_the_bytes_of_one_process(games: Path, tmp_path: Path, random_model: Path):
    models = {"current": random_model}
    one = rollout.run(fake_recipe(*REAL), games, tmp_path / "one", models=models)
    two = rollout.run(fake_recipe(*REAL, *TWO), games, tmp_path / "two", models=models)
    assert played(one.out) == played(two.out)


@pytest.mark.slow
def test_a_real_worker_that_is_killed_changes_no_byte(games: Path, tmp_path: Path, random_model: Path, flags: Path):
    models = {"current": random_model}
    one = rollout.run(fake_recipe(*REAL), games, tmp_path / "one", models=models)
    recipe = fake_recipe(*REAL, *TWO)
    with FleetEngine(recipe, partial(engines.mortal_model, flags)) as engine:
        two = rollout.run(recipe, games, tmp_path / "two", models=models, engine=engine)
        assert engine.tally.restarts == 1
    assert played(one.out) == played(two.out)


@pytest.mark.parametrize("deterministic", ["true", "false"])
def test_killed_workers_lose_nothing_and_are_told(
    games: Path, tmp_path: Path, flags: Path, one_process: bytes, deterministic: str, capfd: pytest.CaptureFixture[str]
):
    recipe = fake_recipe(*TWO, f"deterministic={deterministic}")
    report = play(recipe, games, tmp_path / "two", partial(engines.mortal, flags, 2))
    assert pl.read_parquet(report.out / "part-*.parquet")["game_id"].n_unique() == report.counts["games"] == 10
    assert played(report.out) == one_process
    assert report.timings["restarts"] == 2 and report.timings["retries"] >= 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("died and is started again") == 2


def test_when_no_restart_is_left_finished_games_are_kept(
    games: Path, tmp_path: Path, flags: Path, one_process: bytes
):  # fmt: skip
    recipe = fake_recipe(*TWO, "rollout.executor.restarts=0")
    with pytest.raises(VzError, match="worker . .process.* died, after 0 restarts .*Finished games are kept") as raised:
        play(recipe, games, tmp_path / "out", partial(engines.mortal, flags, 9))
    assert raised.value.exit_code == 1
    report = play(recipe, games, tmp_path / "out")
    assert report.counts["finished_before"] >= 2
    assert played(report.out) == one_process


def test_a_workers_bad_input_ends_the_stage_as_in_one_process(games: Path, tmp_path: Path):
    gone = next((games / "images").glob("*_original.png"))
    gone.unlink()
    one, two = fake_recipe(BLOCKS), fake_recipe(*TWO)
    with pytest.raises(InputError) as expected:
        rollout.run(one, games, tmp_path / "one", split=None, engine=engines.Looking())
    with pytest.raises(InputError) as raised:
        play(two, games, tmp_path / "two", engines.looking)
    assert str(gone) in str(raised.value)
    assert (str(raised.value), raised.value.exit_code) == (str(expected.value), 2)
    assert not (tmp_path / "two").exists()


def test_close_leaves_no_process(tmp_path: Path):
    with FleetEngine(fake_recipe(*TWO), engines.fake) as engine:
        engine.load("current", tmp_path, "v")
        assert len(multiprocessing.active_children()) == 2
    assert not multiprocessing.active_children()
    engine.close()  # again, as after an error in closing


def test_an_engine_that_was_never_used_starts_nothing():
    with FleetEngine(fake_recipe(*TWO), engines.fake) as engine:
        engine.sleep()
        assert not multiprocessing.active_children()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_the_command(games: Path, tmp_path: Path, how: signal.Signals):
    script = f"""
import sys
from pathlib import Path
from stages import rollout
from stages.core.engines.fleet import FleetEngine
from tests.core.engines.fleet import engines
from tests.helpers import fake_recipe

class Told(FleetEngine):
    async def generate(self, request):
        if request.order == (0, 0):
            print("playing", flush=True)
        return await super().generate(request)

if __name__ == "__main__":
    recipe = fake_recipe(*{TWO})
    with Told(recipe, engines.never) as engine:
        rollout.run(recipe, Path("{games}"), Path("{tmp_path / "out"}"), engine=engine)
"""
    (tmp_path / "driver.py").write_text(script)
    command = [sys.executable, tmp_path / "driver.py"]
    paths = {"PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(
        command, env={**os.environ, **paths}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        text=True,
    )  # fmt: skip
    assert driver.stdout is not None and driver.stdout.readline() == "playing\n"
    if how == signal.SIGINT:
        os.killpg(driver.pid, how)  # as a terminal does: to all processes of the command
    else:
        driver.kill()
    _, said = driver.communicate(timeout=60)  # returns when all that hold its pipes, the workers too, are gone
    assert driver.returncode == -how, said
    assert said.count("KeyboardInterrupt\n") == (how == signal.SIGINT)  # the driver's own; workers say nothing
    assert "Process Spawn" not in said and "started again" not in said
    assert left(driver.pid) == []


def left(group: int, but: str | None = None) -> list[str]:
    """The processes of a group that are still there after 20 s."""
    for _ in range(100):
        listed = subprocess.run(["ps", "-eo", "pgid=,stat=,args="], capture_output=True, text=True, check=True).stdout
        fields = [line.split(None, 2) for line in listed.splitlines()]
        found = [args for pgid, state, args in fields if int(pgid) == group and not state.startswith("Z")]
        if not [args for args in found if but is None or but not in args]:
            return []
        time.sleep(0.2)
    return found
