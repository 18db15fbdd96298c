"""A trainer that lives from round to round writes what separate calls write, and loses nothing to an error."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stages.core.errors import InputError, VzError
from stages.core.folder.artifact import Report
from stages.core.folder.content import version_of
from stages.core.recipe import Recipe
from stages.train import Trainer, open_trainer, run, writing
from stages.train import training as one_process
from stages.train.state import is_whole, read_info
from tests.train import world
from tests.train.test_ends import descendants, is_running, trains
from tests.train.world import World, make_world, recipe, write_kept

ROUNDS, ROWS_A_ROUND = 3, 4


@pytest.fixture(scope="module")
def rows(model: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("rows"), model, pictures, ROUNDS * ROWS_A_ROUND)


def settings(rows: World, *, lora: bool = False, **train: Any) -> Recipe:
    given = {"schedule": "cosine", "total_updates": ROUNDS, "ratio": "on-policy", **world.LIMITLESS, **train}
    return recipe(rows.model, lora=lora, tokens_per_batch=60, **given)


class Run:
    """Rounds in a folder, as `iterate` makes them: two slots for states, each round from the checkpoint before."""

    def __init__(self, rows: World, folder: Path, recipe: Recipe) -> None:
        self.rows, self.folder, self.recipe = rows, folder, recipe

    def slot(self, number: int) -> Path:
        return self.folder / "slots" / "ab"[number % 2]

    def round(self, number: int, trainer: Trainer | None, **more: Any) -> Report:
        chosen = self.rows.rows[number * ROWS_A_ROUND : (number + 1) * ROWS_A_ROUND]
        given: dict[str, Any] = {
            "model": self.folder / f"round{number - 1}" if number else self.rows.model,
            "base": self.rows.model,
            "state_in": self.slot(number - 1) if number else None,
            "state_out": self.slot(number),
            "trainer": trainer,
            **more,
        }
        kept = write_kept(self.folder / f"kept{number}", chosen, self.rows.scored)
        return run(self.recipe, kept, self.folder / f"round{number}", **given)


def files(folder: Path) -> dict[str, bytes]:
    """The comparable files of a folder."""
    places = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {str(path.relative_to(folder)): path.read_bytes() for path in places}


def compare(rows: World, folder: Path, recipe: Recipe) -> None:
    """Three rounds by separate calls and with one trainer: the same bytes of checkpoints and states."""
    alone, living = Run(rows, folder / "alone", recipe), Run(rows, folder / "living", recipe)
    for number in range(ROUNDS):
        alone.round(number, None)
    with open_trainer(recipe) as trainer:
        for number in range(ROUNDS):
            report = living.round(number, trainer)
            trainer.sleep()
            assert trainer.state_id == report.counts["state"] == version_of(report.out)
    for number in range(ROUNDS):
        one, other = (files(run.folder / f"round{number}") for run in (alone, living))
        assert one.keys() == other.keys() and [name for name in one if one[name] != other[name]] == []
    for number in (ROUNDS - 2, ROUNDS - 1):
        assert files(alone.slot(number)) == files(living.slot(number))


@pytest.mark.parametrize(
    "settings_of", [{}, {"lora": True}, {"freeze": ("vision_tower",)}], ids=["full", "lora", "frozen"]
)
def test_a_living_trainer_writes_the_bytes_of_separate_calls(
    settings_of: dict[str, Any], rows: World, tmp_path: Path
) -> None:
    compare(rows, tmp_path, settings(rows, **settings_of))


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("spread", ["ddp", "fsdp2"])
def test_living_processes_write_the_bytes_of_separate_calls(
    lora: bool, spread: str, rows: World, tmp_path: Path
) -> None:
    compare(rows, tmp_path, settings(rows, lora=lora, processes=2, accelerate_config=spread))


def test_nothing_is_loaded_if_the_trainer_holds_the_start(
    rows: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = Run(rows, tmp_path, settings(rows))
    with open_trainer(living.recipe) as trainer:
        living.round(0, trainer)
        monkeypatch.setattr(one_process, "load_policy", lambda *_: pytest.fail("loaded again"))
        living.round(1, trainer)


def test_a_state_whose_checkpoint_is_missing_is_made_again(rows: World, tmp_path: Path) -> None:
    # As after a kill between the two. The round before was handed over, so its folder has nothing to load from.
    living, place = Run(rows, tmp_path, settings(rows)), tmp_path / "weights"
    with open_trainer(living.recipe) as trainer:
        living.round(0, trainer, handover=place)
        written = living.round(1, trainer)
    expected = files(written.out), files(living.slot(1))
    shutil.rmtree(written.out)
    with open_trainer(living.recipe) as trainer:
        living.round(0, trainer, handover=place, overwrite=True)
        again = living.round(1, trainer)
    assert (files(again.out), files(living.slot(1))) == expected


def test_weights_are_handed_over_and_the_state_stays_in_the_trainer(rows: World, tmp_path: Path) -> None:
    alone, living = (Run(rows, tmp_path / name, settings(rows)) for name in ("alone", "living"))
    place = tmp_path / "weights"
    with open_trainer(living.recipe) as trainer:
        for number in range(ROUNDS):
            written = alone.round(number, None)
            report = living.round(number, trainer, handover=place)
            again = living.round(number, trainer, handover=place)
            assert (report.status, again.status) == ("done", "up to date")
            assert files(place) == {name: data for name, data in files(written.out).items() if name in files(place)}
            assert version_of(place) == version_of(report.out) == version_of(written.out)
            assert set(files(report.out)) == {"training.json"}
            assert report.counts == written.counts
        assert not (tmp_path / "living" / "slots").exists()
        with pytest.raises(InputError, match="its weights were handed over to an engine; use --overwrite"):
            living.round(ROUNDS - 1, trainer)
        whole = living.round(ROUNDS - 1, trainer, overwrite=True)  # writes what the trainer holds
        assert files(whole.out) == files(written.out)
    assert files(living.slot(ROUNDS - 1)) == files(alone.slot(ROUNDS - 1))
    with (
        open_trainer(living.recipe) as trainer,
        pytest.raises(InputError, match=r"which the trainer does not hold either"),
    ):
        living.round(ROUNDS - 1, trainer, state_in=alone.slot(0), overwrite=True)


def test_an_adapter_is_not_handed_over(rows: World, tmp_path: Path) -> None:
    living = Run(rows, tmp_path / "run", settings(rows, lora=True))
    with open_trainer(living.recipe) as trainer:
        report = living.round(0, trainer, handover=tmp_path / "weights")
        assert "adapter_model.safetensors" in files(report.out)
    assert not (tmp_path / "weights").exists() and not (tmp_path / "run" / "slots").exists()


def test_an_error_before_the_first_step_leaves_the_state_in_the_trainer(rows: World, tmp_path: Path) -> None:
    alone, living = (Run(rows, tmp_path / name, settings(rows)) for name in ("alone", "living"))
    strict = settings(rows, logprob_gap_limit=1e-12)
    with open_trainer(living.recipe) as trainer:
        before = living.round(0, trainer).counts["state"]
        with pytest.raises(InputError, match="Nothing was trained"):
            Run(rows, tmp_path / "living", strict).round(1, trainer)
        assert trainer.state_id == before
        living.round(1, trainer)
    for number in (0, 1):
        alone.round(number, None)
        assert files(alone.slot(number)) == files(living.slot(number))


def test_after_an_error_between_two_steps_the_state_is_loaded_again(
    rows: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, living = (Run(rows, tmp_path / name, settings(rows, rows_per_update=2)) for name in ("alone", "living"))
    living.recipe = alone.recipe = settings(rows, rows_per_update=2, total_updates=ROUNDS * 2)
    plain = one_process.Updates._check

    def fails_at_the_fourth(self: Any, record: dict[str, Any]) -> None:
        if record["update"] == 4:
            raise VzError("not finite")
        plain(self, record)

    with open_trainer(living.recipe) as trainer:
        living.round(0, trainer)
        with monkeypatch.context() as broken, pytest.raises(VzError):
            broken.setattr(one_process.Updates, "_check", fails_at_the_fourth)
            living.round(1, trainer)
        assert trainer.state_id is None
        living.round(1, trainer)
    for number in (0, 1):
        alone.round(number, None)
        assert files(alone.slot(number)) == files(living.slot(number))


def test_a_state_that_cannot_be_written_is_an_error_of_the_next_call(
    rows: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = Run(rows, tmp_path, settings(rows))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    trainer = open_trainer(living.recipe)
    with monkeypatch.context() as broken:
        broken.setattr(writing, "write_recorded", full)
        assert living.round(0, trainer).status == "done"
        with pytest.raises(VzError, match=r"slots/a: the disk is full"):
            living.round(1, trainer)
    assert not living.slot(0).exists() and not (tmp_path / "round1").exists()
    living.round(1, trainer)
    with monkeypatch.context() as broken:
        broken.setattr(writing, "write_recorded", full)
        living.round(2, trainer)
        with pytest.raises(VzError, match=r"slots/a: the disk is full"):
            trainer.close()
    assert read_info(living.slot(1)).updates == 2 and not living.slot(0).exists()


def test_a_finished_output_counts_only_with_its_state(rows: World, tmp_path: Path) -> None:
    living = Run(rows, tmp_path, settings(rows, trainer="stub"))
    with open_trainer(living.recipe) as trainer:
        report = living.round(0, trainer)
        shutil.rmtree(living.slot(0))
        assert living.round(0, trainer).status == "up to date"
    assert not is_whole(living.slot(0), report.counts["state"])
    with open_trainer(living.recipe) as trainer, pytest.raises(InputError, match="no longer whole"):
        living.round(0, trainer)


def test_identity_and_content_of_a_checkpoint(rows: World, tmp_path: Path) -> None:
    """A policy is named by its lineage as long as its files are as they were written."""
    report = Run(rows, tmp_path, settings(rows, trainer="stub")).round(0, None)
    assert version_of(report.out) == report.counts["state"]
    (report.out / "weights.json").write_text("{}")
    assert version_of(report.out) != report.counts["state"]


@pytest.mark.slow
def test_a_killed_process_ends_the_call_and_the_next_one_starts_others(rows: World, tmp_path: Path) -> None:
    two = settings(rows, processes=2)
    alone, living = Run(rows, tmp_path / "alone", two), Run(rows, tmp_path / "living", two)
    with open_trainer(two) as trainer:
        living.round(0, trainer)
        below = descendants(os.getpid())
        workers = sorted(filter(trains, below))
        assert len(workers) == 2
        os.kill(workers[1], signal.SIGKILL)
        with pytest.raises(VzError, match="a training process ended"):
            living.round(1, trainer)
        assert trainer.state_id is None and not any(map(is_running, below))
        assert is_whole(living.slot(0), version_of(tmp_path / "living" / "round0"))
        living.round(1, trainer)
    for number in (0, 1):
        alone.round(number, None)
        assert files(alone.slot(number)) == files(living.slot(number))


WAITS = """
import pickle, signal, sys, time
from pathlib import Path
from stages.train import open_trainer
from tests.train.test_live import Run, settings

signal.signal(signal.SIGINT, signal.default_int_handler)  # the tests may run with Ctrl-C ignored
rows = pickle.loads(Path(sys.argv[1]).read_bytes())
two = settings(rows, processes=2)
with open_trainer(two) as trainer:
    Run(rows, Path(sys.argv[2]), two).round(0, trainer)
    print("trained", flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_processes_that_wait_for_a_job_end_with_their_parent(how: int, rows: World, tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(pickle.dumps(rows))
    call = [sys.executable, "-c", WAITS, str(tmp_path / "rows"), str(tmp_path)]
    parent = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert parent.stdout is not None and parent.stdout.readline() == "trained\n"
        below = descendants(parent.pid)
        assert sum(map(trains, below)) == 2
    finally:
        parent.send_signal(how)
        _, said = parent.communicate()
    start = time.monotonic()
    while any(map(is_running, below)) and time.monotonic() - start < 10:
        time.sleep(0.05)
    assert not any(map(is_running, below))
    if how == signal.SIGINT:  # the state was written before the end
        assert is_whole(tmp_path / "slots" / "a", version_of(tmp_path / "round0"))
        assert "KeyboardInterrupt" in said and "torch" not in said
