"""Playing ahead: the next round's games are played while this one trains, by the policy from before."""

import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest

from stages import iterate, train
from stages.core import vlm
from stages.core.engines.base import Completion, Request
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.recipe.load import place_of, prompt_folder
from stages.iterate.ahead import check_apart
from tests.helpers import fake_recipe
from tests.iterate.test_kills import fingerprint

AHEAD = ["iterate.games=4", "rollout.concurrent_games=2", "iterate.switching=cycle", "iterate.play_ahead=true"]
AHEAD += ["train.total_updates=20", "iterate.keep_checkpoints=9", "iterate.signal=heldout", "iterate.signal_games=2"]
RARELY = ["iterate.save_every=9", "iterate.switching=decision"]
A_ROUND = 4 * (4 + 8) + 2 * (4 + 8)  # completions: each game has 4 clues and 8 votes


def versions(run: Path) -> list[str]:
    """Of the policies that played the rounds."""
    parts = sorted(run.glob("round-*/rollouts/part-00000.parquet"))
    return [pl.read_parquet(part, columns=["policy_version"])["policy_version"].unique().item() for part in parts]


def test_each_round_is_played_by_the_policy_before_the_last_training(games: Path, tmp_path: Path):
    run = iterate.run(fake_recipe(*AHEAD, "iterate.rounds=5"), tmp_path / "run", games=games).out
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["played_by"] for row in rows] == [0, 0, 1, 2, 3]
    trained = [json.loads((run / f"round-000{number}/checkpoint/manifest.json").read_text()) for number in range(1, 6)]
    assert versions(run)[2:] == [one["identity"] for one in trained[:3]] and versions(run)[0] == versions(run)[1]
    assert [row["train"]["off_policy_rows"] > 0 for row in rows] == [False, True, True, True, True]
    assert not any("policy version" in warning for row in rows for warning in row["warnings"])


def test_weights_that_are_handed_over_meanwhile_do_not_play(games: Path, tmp_path: Path, monkeypatch):
    """The engine asks for its weights only when training has handed over the next ones."""
    trained, done = train.run, threading.Event()

    def announced(*args, **options):
        report = trained(*args, **options)
        done.set()
        return report

    class Late(FakeEngine):
        def load(self, policy: str, model: str | Path, version: str) -> None:
            if threading.current_thread() is not threading.main_thread():
                assert done.wait(60)
                assert model == base or (Path(model) / "weights.json").is_file()
            super().load(policy, model, version)

    monkeypatch.setattr(train, "run", announced)
    recipe = fake_recipe(*AHEAD, *RARELY, "iterate.rounds=4", "iterate.keep_every=0")
    base = place_of(recipe.model.path)
    run = iterate.run(recipe, tmp_path / "run", games=games, engine=Late()).out
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert versions(run)[2:] == [rows[0]["train"]["state"], rows[1]["train"]["state"]]


def test_engine_and_trainer_work_at_once(games: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    trained, training, played = train.run, threading.Event(), threading.Event()

    def waits(*args, **options):
        training.set()
        assert played.wait(60)  # an answer of the next round's games
        return trained(*args, **options)

    class Waiting(FakeEngine):
        async def generate(self, request: Request) -> list[Completion]:
            if training.is_set():
                played.set()
            return await super().generate(request)

    monkeypatch.setattr(train, "run", waits)
    iterate.run(fake_recipe(*AHEAD, "iterate.rounds=2"), tmp_path / "run", games=games, engine=Waiting())
    assert played.is_set()


def test_a_longer_run_goes_on_as_if_it_had_been_planned(games: Path, tmp_path: Path):
    iterate.run(fake_recipe(*AHEAD, "iterate.rounds=3"), tmp_path / "run", games=games)
    engine, five = FakeEngine(), fake_recipe(*AHEAD, "iterate.rounds=5")
    iterate.run(five, tmp_path / "run", games=games, engine=engine)
    iterate.run(five, tmp_path / "other", games=games)
    assert versions(tmp_path / "run") == versions(tmp_path / "other")
    assert engine.tally.completions == 2 * A_ROUND
    lines = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("run", "other")]
    assert lines[0] == lines[1]


def test_games_that_were_played_ahead_and_lost_are_played_by_the_same_policy(games: Path, tmp_path: Path):
    recipe, run = fake_recipe(*AHEAD, "iterate.rounds=4"), tmp_path / "run"
    iterate.run(recipe, run, games=games)
    expected = fingerprint(run)
    (run / "state.json").write_text(json.dumps(json.loads((run / "round-0003/round.json").read_text())["state"]))
    (run / "round-0004/round.json").unlink()  # as if killed in round 4, and its games emptied by a power cut
    part = next((run / "round-0004/rollouts").glob("part-*"))
    part.write_bytes(bytes(part.stat().st_size))
    engine = FakeEngine()
    report = iterate.run(recipe, run, games=games, engine=engine)
    assert fingerprint(run) == expected and "resumes after round 2" in " ".join(report.warnings)
    assert engine.tally.completions == 4 * (4 + 8)  # not those of the held-out signal


def test_an_error_in_training_ends_playing_and_keeps_finished_games(games: Path, tmp_path: Path, monkeypatch):
    class Endless(FakeEngine):
        async def generate(self, request: Request) -> list[Completion]:
            if threading.current_thread() is not threading.main_thread():
                playing.set()
                import asyncio

                await asyncio.sleep(3600)
            return await super().generate(request)

    def fails(*args, **options):
        assert playing.wait(60)
        raise InputError("no such rows")

    playing = threading.Event()
    monkeypatch.setattr(train, "run", fails)
    recipe = fake_recipe(*AHEAD, "iterate.rounds=3")
    with pytest.raises(InputError, match="no such rows"):
        iterate.run(recipe, tmp_path / "run", games=games, engine=Endless())
    monkeypatch.undo()
    assert iterate.run(recipe, tmp_path / "run", games=games).counts["rounds"] == 3


def test_edited_prompts_are_played_by_the_current_policy(games: Path, tmp_path: Path):
    """The weights that would have played are gone."""
    prompts, run = tmp_path / "prompts", tmp_path / "run"
    shutil.copytree(prompt_folder("standard"), prompts)
    recipe = fake_recipe(*AHEAD, "iterate.rounds=4", f"game.prompts={prompts}", *RARELY, "iterate.save_every=2")

    def stop(metrics: dict, timings: dict) -> None:
        if metrics["iteration"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        iterate.run(recipe, run, games=games, on_round=stop)
    (prompts / "clue.j2").write_text((prompts / "clue.j2").read_text() + "\nBe brief.\n")
    iterate.run(recipe, run, games=games, new_prompts=True)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["played_by"] for row in rows] == [0, 0, 2, 2]


GPU = ["rollout.engine=vllm", "train.trainer=trl", "iterate.play_ahead=true"]


@pytest.mark.parametrize(
    ("settings", "gpus", "shared"),
    [
        (GPU, "all", "0"),
        (GPU, "7", "7"),
        ([*GPU, "train.processes=2", "rollout.vllm.data_parallel=2"], "all", "0, 1"),
        ([*GPU, "rollout.vllm.data_parallel=4"], "4,5", None),
        ([*GPU, "rollout.vllm.data_parallel=2", "rollout.vllm.tensor_parallel=2"], "3,4", "3"),
        ([*GPU, "iterate.play_ahead=false"], "all", None),
    ],
)
def test_engine_and_trainer_may_not_share_a_gpu(settings: list[str], gpus: str, shared: str | None, monkeypatch):
    import torch

    from stages.train.accelerate_file import Spread

    monkeypatch.setattr(vlm, "device_of", lambda recipe: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr("stages.iterate.ahead.spread_of", lambda recipe: Spread(gpu_ids=gpus))
    recipe = fake_recipe(*settings)
    if shared is None:
        check_apart(recipe)
    else:
        with pytest.raises(InputError, match=f"would both use GPU {shared} at the same time"):
            check_apart(recipe)
