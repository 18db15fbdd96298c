"""What of policies and training states goes to disk, and what is repeated where it did not."""

import fcntl
import json
import shutil
from pathlib import Path

import pytest

from stages import iterate, train
from stages.core.engines.fake import FakeEngine
from stages.iterate import handover
from stages.iterate.handover import handover_folder
from stages.iterate.keeping import prune_states
from tests.helpers import fake_recipe
from tests.iterate.test_kills import fingerprint

SMALL = ["iterate.games=4", "rollout.concurrent_games=2", "iterate.switching=decision", "train.total_updates=20"]


def saved(run: Path) -> tuple[list[int], list[int]]:
    """The rounds with weights, and those with a training state."""
    weights = sorted(int(file.parts[-3][-4:]) for file in run.glob("round-*/checkpoint/weights.json"))
    return weights, sorted(int(folder.name[-4:]) for folder in run.glob("training-state/*"))


@pytest.mark.parametrize(
    ("settings", "weights"),
    [
        (["iterate.save_every=3"], [3, 6, 7]),
        (["iterate.save_every=100"], [7]),
        (["iterate.save_every=100", "iterate.keep_every=2"], [2, 4, 6, 7]),
        (["iterate.save_every=100", "evaluate.every=5", "evaluate.games=2"], [5, 7]),
        (["iterate.save_every=100", "iterate.switching=cycle", "iterate.cycle_length=4"], [4, 7]),
        (["iterate.save_every=100", "iterate.opponents.share=0.5", "iterate.opponents.every=3"], [3, 6, 7]),
        (["iterate.save_every=100", "iterate.play_ahead=true"], [6, 7]),
    ],
    ids=lambda value: " ".join(value[1:] or value) if isinstance(value[0], str) else None,
)
def test_rounds_whose_policy_is_needed_later_are_saved(games: Path, tmp_path: Path, settings: list[str], weights: list):
    recipe = fake_recipe(*SMALL, "iterate.rounds=7", "iterate.keep_checkpoints=9", *settings)
    run = iterate.run(recipe, tmp_path / "run", games=games).out
    assert saved(run) == (weights, weights[-2:])
    assert json.loads((run / "state.json").read_text())["checkpoint"] == "round-0007/checkpoint"


@pytest.fixture
def third(games: Path, tmp_path: Path) -> Path:
    """A run of five rounds that was saved after the third and the last, and its games."""
    recipe = fake_recipe(*SMALL, "iterate.rounds=5", "iterate.save_every=3")
    return iterate.run(recipe, tmp_path / "run", games=games).out


def test_training_that_was_not_saved_is_repeated_on_stored_rows(third: Path, games: Path, tmp_path: Path, capsys):
    """As if the run had been killed after round 5, before its state was on disk."""
    expected, engine = fingerprint(third), FakeEngine()
    shutil.rmtree(third / "training-state/round-0005")
    shutil.copytree(third, tmp_path / "again")
    report = iterate.run(fake_recipe(*SMALL, "iterate.rounds=5", "iterate.save_every=3"), third, games=games)
    assert report.status == "done" and fingerprint(third) == expected
    said = capsys.readouterr().err
    assert [number for number in range(1, 6) if f"repeats the training of round {number}," in said] == [4, 5]
    longer = fake_recipe(*SMALL, "iterate.rounds=6", "iterate.save_every=3")
    iterate.run(longer, tmp_path / "again", games=games, engine=engine)
    assert engine.tally.completions == 4 * (4 + 8)  # only round 6 was played
    assert len((tmp_path / "again/metrics.jsonl").read_text().splitlines()) == 6


def test_a_repeated_training_has_the_schedule_that_it_had(games: Path, tmp_path: Path):
    """More rounds change the planned length of the schedule, but not that of finished rounds."""
    settings = [*SMALL[:-1], "train.schedule=linear", "train.warmup=0", "iterate.save_every=9"]

    def stop(metrics: dict, timings: dict) -> None:
        if metrics["iteration"] == 2:
            raise KeyboardInterrupt

    def counts() -> list[dict]:
        files = [tmp_path / f"run/round-000{number}/checkpoint/manifest.json" for number in (1, 2)]
        return [json.loads(file.read_text())["counts"] for file in files]

    with pytest.raises(KeyboardInterrupt):
        iterate.run(fake_recipe(*settings, "iterate.rounds=3"), tmp_path / "run", games=games, on_round=stop)
    before = counts()
    longer = fake_recipe(*settings, "iterate.rounds=5", "iterate.keep_every=1")
    iterate.run(longer, tmp_path / "run", games=games)
    assert counts() == before and before[0]["learning_rate"] > before[1]["learning_rate"]


def test_weights_are_handed_over_in_memory_and_nothing_is_left(games: Path, tmp_path: Path, monkeypatch):
    memory, seen = tmp_path / "shm", []
    memory.mkdir()
    monkeypatch.setattr(handover, "MEMORY", memory)
    trained = train.run

    def watched(*args, **options):
        report = trained(*args, **options)
        seen.append(sorted(path.name for path in memory.glob("vz-*/*/weights.json")))
        return report

    monkeypatch.setattr(train, "run", watched)
    recipe = fake_recipe(*SMALL, "iterate.rounds=3", "iterate.save_every=2")
    run = iterate.run(recipe, tmp_path / "run", games=games).out
    assert (
        seen == [["weights.json"], ["weights.json"], []]
        and not list(memory.iterdir())
        and not (run / ".handover").exists()
    )


def test_without_room_in_memory_weights_are_handed_over_in_the_run(tmp_path: Path, monkeypatch):
    (tmp_path / "shm").mkdir()
    monkeypatch.setattr(handover, "MEMORY", tmp_path / "shm")
    with handover_folder(tmp_path, 10**18) as folder:
        assert folder == tmp_path / ".handover" and folder.is_dir()
    assert not folder.exists()


def test_what_killed_runs_left_in_memory_is_deleted_and_that_of_others_is_not(tmp_path: Path, monkeypatch):
    memory = tmp_path / "shm"
    memory.mkdir()
    monkeypatch.setattr(handover, "MEMORY", memory)
    with handover_folder(tmp_path / "a", 0) as living:
        left = living.with_name(f"{living.name[:-4]}left")
        shutil.copytree(living, left)  # nobody holds the lock of the copy
        with handover_folder(tmp_path / "b", 0) as other:
            assert sorted(memory.iterdir()) == sorted([living, other])
        with (living / "lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_state_that_is_being_written_is_not_pruned(tmp_path: Path):
    names = ["round-0001", "round-0002", ".round-0003.partial"]
    first, second, unfinished = (tmp_path / "training-state" / name for name in names)
    for folder in (first, second, unfinished):
        folder.mkdir(parents=True)
    prune_states(tmp_path, [second])
    assert not first.exists()
    assert second.is_dir()
    assert unfinished.is_dir()
