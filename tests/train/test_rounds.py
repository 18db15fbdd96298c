"""A run is one optimisation: rounds in separate processes give the same weights as one call."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.train import run
from tests.processes import forked
from tests.train import world
from tests.train.world import World, make_world, moved, recipe, tensors, write_kept

ROWS_A_ROUND = 4
REPOSITORY = Path(__file__).resolve().parents[2]

Job = dict[str, Any]


def settings(model: Path, rounds: int, *, lora: bool) -> Recipe:
    """A whole schedule with warm-up, dropout where there is an adapter, and checkpoints in bf16."""
    made = recipe(
        model,
        lora=lora,
        learning_rate=2e-3,
        warmup=0.2,
        schedule="cosine",
        total_updates=rounds,
        ratio="on-policy",
        rows_per_update=ROWS_A_ROUND,
        tokens_per_batch=64,
        **world.LIMITLESS,  # all rows are the start's; only their batches matter here
    )
    assert made.model.dtype == "bfloat16"
    if made.model.lora is None:
        return made
    adapter = made.model.lora.model_copy(update={"dropout": 0.1})
    return made.model_copy(update={"model": made.model.model_copy(update={"lora": adapter})})


def play_round(job: Job) -> None:
    """One round, as `iterate` calls the stage; the entry of a process of its own."""
    torch.set_num_threads(1)
    places = {name: Path(job[name]) for name in ("kept", "out", "model", "base", "state_out")}
    state_in = Path(job["state_in"]) if job["state_in"] else None
    run(
        Recipe.model_validate(job["recipe"]),
        places["kept"],
        places["out"],
        model=places["model"],
        base=places["base"],
        state_in=state_in,
        state_out=places["state_out"],
    )


def fork_from_imports_only(job: Job) -> None:
    assert forked(play_round, job) == 0


def fresh_interpreter(job: Job) -> None:
    code = "import json, sys; from tests.train.test_rounds import play_round; play_round(json.loads(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, json.dumps(job)], check=True, cwd=REPOSITORY)


def in_rounds(job_recipe: Recipe, rows: World, rounds: int, folder: Path, start: Callable[[Job], None]) -> Path:
    """Rounds with two alternating slots of the training state; returns the last."""
    model, state = rows.model, None
    for number in range(rounds):
        chosen = rows.rows[number * ROWS_A_ROUND : (number + 1) * ROWS_A_ROUND]
        job = {
            "recipe": job_recipe.model_dump(mode="json", by_alias=True),
            "kept": str(write_kept(folder / f"kept{number}", chosen, rows.scored)),
            "out": str(folder / f"checkpoint{number}"),
            "model": str(model),
            "base": str(rows.model),
            "state_in": str(state) if state else None,
            "state_out": str(folder / "training-state" / "ab"[number % 2]),
        }
        start(job)
        model, state = Path(job["out"]), Path(job["state_out"])
    assert state is not None
    return state


def start_weights(job_recipe: Recipe, rows: World, folder: Path) -> dict[str, torch.Tensor]:
    """Master weights before any update: what a round without rows leaves."""
    run(job_recipe, write_kept(folder / "none", [], rows.scored), folder / "untrained")
    return {
        name.removeprefix("weight/"): value
        for name, value in tensors(folder / "untrained-state").items()
        if name.startswith("weight/")
    }


@pytest.mark.parametrize(
    ("rounds", "lora", "start"),
    [
        pytest.param(4, False, fork_from_imports_only, id="4-full"),
        pytest.param(4, True, fork_from_imports_only, id="4-lora"),
        pytest.param(50, False, fresh_interpreter, id="50-full", marks=pytest.mark.slow),
        pytest.param(50, True, fork_from_imports_only, id="50-lora", marks=pytest.mark.slow),
    ],
)
def test_rounds_of_one_update_equal_one_run(
    rounds: int,
    lora: bool,
    start: Callable[[Job], None],
    model: Path,
    pictures: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    rows = make_world(tmp_path / "rows", model, pictures, rounds * ROWS_A_ROUND)
    job_recipe = settings(model, rounds, lora=lora)
    whole = run(job_recipe, rows.kept, tmp_path / "whole")
    assert whole.counts["updates"] == rounds
    last = in_rounds(job_recipe, rows, rounds, tmp_path / "rounds", start)
    apart = moved(tmp_path / "whole-state", last, start_weights(job_recipe, rows, tmp_path))
    record_property("relative distance of the movement", apart)
    print(f"relative distance of the movement after {rounds} rounds: {apart:.2e}")
    assert apart <= 1e-3


def test_the_same_call_gives_the_same_bytes_in_another_process(model: Path, played: World, tmp_path: Path) -> None:
    job = {
        "recipe": settings(model, 3, lora=True).model_dump(mode="json", by_alias=True),
        "kept": str(played.kept),
        "model": str(model),
        "base": str(model),
        "state_in": None,
    }
    for name, start in (("here", play_round), ("there", fork_from_imports_only)):
        start({**job, "out": str(tmp_path / name), "state_out": str(tmp_path / f"{name}-state")})
    for here, there in (("here", "there"), ("here-state", "there-state")):
        files = sorted(path.name for path in (tmp_path / here).iterdir())
        assert files == sorted(path.name for path in (tmp_path / there).iterdir())
        for name in files:
            if name != "manifest.json":
                assert (tmp_path / here / name).read_bytes() == (tmp_path / there / name).read_bytes(), name


def test_a_round_without_rows_trains_nothing(model: Path, played: World, tmp_path: Path) -> None:
    job_recipe = recipe(model, schedule="cosine", total_updates=4)
    first = run(job_recipe, played.kept, tmp_path / "one")
    empty = write_kept(tmp_path / "empty", [], played.scored)
    second = run(job_recipe, empty, tmp_path / "two", model=first.out, base=model, state_in=tmp_path / "one-state")
    assert (second.counts["updates"], second.counts["run_updates"], second.counts["loss"]) == (0, 1, None)
    for name in ("model.safetensors", "config.json"):
        assert (first.out / name).read_bytes() == (second.out / name).read_bytes()
    for path in (tmp_path / "one-state").iterdir():
        assert path.read_bytes() == (tmp_path / "two-state" / path.name).read_bytes()


def test_a_last_short_update_trains(model: Path, played: World, tmp_path: Path) -> None:
    report = run(recipe(model, rows_per_update=4, **world.LIMITLESS), played.kept, tmp_path / "out")
    updates = json.loads((report.out / "training.json").read_text())["updates"]
    assert [update["rows"] for update in updates] == [4, 4, 3]
    # Several updates of one round: the ratio is to the stored log-probs, which the second update has left.
    assert updates[0]["logprob_gap_max"] < 1e-5 < updates[1]["logprob_gap_mean"]


@pytest.mark.slow
@pytest.mark.parametrize("lora", [False, True])
def test_two_processes_train_as_one(lora: bool, model: Path, played: World, tmp_path: Path) -> None:
    """Eleven rows on two processes in micro-batches of 2: the second process has only padding in the last step."""
    made = {}
    for processes in (1, 2):
        job_recipe = recipe(
            model, lora=lora, tokens_per_batch=64, processes=processes, rows_per_update=9, ratio="on-policy"
        )
        made[processes] = run(job_recipe, played.kept, tmp_path / f"p{processes}")
    assert made[2].counts["processes"] == 2
    for name in ("loss", "kl", "grad_norm", "entropy", "tokens", "logprob_gap_mean"):
        assert made[2].counts[name] == pytest.approx(made[1].counts[name], rel=1e-5, abs=1e-7), name
    start = start_weights(recipe(model, lora=lora), played, tmp_path)
    assert moved(tmp_path / "p1-state", tmp_path / "p2-state", start) < 1e-3
    other = [json.loads((made[n].out / "training.json").read_text())["updates"] for n in (1, 2)]
    assert [u["learning_rate"] for u in other[0]] == [u["learning_rate"] for u in other[1]]


@pytest.mark.slow
def test_an_error_in_a_launched_process_is_reported_once(model: Path, played: World, tmp_path: Path) -> None:
    job_recipe = recipe(model, processes=2, tokens_per_batch=64, logprob_gap_limit=1e-12)
    with pytest.raises(InputError, match="Nothing was trained"):
        run(job_recipe, played.kept, tmp_path / "out")


def test_frozen_parts_stay_as_they_are_round_after_round(model: Path, played: World, tmp_path: Path) -> None:
    from transformers import AutoModelForImageTextToText

    parts = ("vision_tower", "multi_modal_projector")
    job_recipe = recipe(model, freeze=parts, learning_rate=1e-2, **world.LIMITLESS)
    first = run(job_recipe, played.kept, tmp_path / "one")
    second = run(
        job_recipe, played.kept, tmp_path / "two", model=first.out, base=model, state_in=tmp_path / "one-state"
    )
    names = {name.removeprefix("weight/") for name in tensors(tmp_path / "two-state") if name.startswith("weight/")}
    start, after = (
        dict(AutoModelForImageTextToText.from_pretrained(folder, dtype="float32").named_parameters())
        for folder in (model, second.out)
    )
    still = {name for name in start if any(f".{part}." in f".{name}" for part in parts)}
    assert names == set(start) - still
    for name, weight in start.items():
        assert torch.equal(weight.bfloat16(), after[name].bfloat16()) == (name in still), name


def test_freezing_an_unknown_part_is_refused(model: Path, played: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.freeze: the model has no module 'visual'; it has .*vision_tower"):
        run(recipe(model, freeze=("visual",)), played.kept, tmp_path / "out")
