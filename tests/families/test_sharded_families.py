"""Each family on two FSDP 2 processes (CPU, gloo) trains as on one: gradients, weights and moments."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from stages.train.accelerate_file import spread_of
from stages.train.launch import command, environment
from tests.families.builders import FAMILIES, Family
from tests.families.sharded import ADDED_UP_OTHERWISE, ANCHOR, ANCHORED, CASES, Case, train_all, updates_of
from tests.families.test_families import Built, rows_of
from tests.train import world

# Where all families' parts are; minutes in all, and everything is trained once for all of these tests.
pytestmark = [pytest.mark.vllm, pytest.mark.xdist_group("sharded families")]
NEAR = 1e-5  # relative; a gradient that is not added up over the processes is off by half or more
ROUNDING = 3e-5  # the most that fp32 may move a tensor when one process adds the same numbers up in another order


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, world.World]:
    """Rows of every usable family, played by its untied tiny model; those of votes have rules of their own, so that
    two processes may compute log-probs in different ways at the same time."""
    made = {}
    for family in FAMILIES:
        if family.is_usable():
            folder = tmp_path_factory.mktemp(family.name)
            untied(family, folder / ANCHOR, seed=2)
            built = Built(family, untied(family, folder / "model"))
            made[family.name] = rows_of(built, folder, rules={"decision": world.Rules(min_tokens=2, penalty=1.3)})
            phases = {"filter": {"inactive_phase": "anchor"}, "phase": "decision"}
            world.write_kept(folder / "rows" / ANCHORED, made[family.name].rows, made[family.name].scored, phases)
    return made


def untied(family: Family, folder: Path, seed: int = 1) -> Path:
    """The family's tiny model with a head of its own, as models of 7B and more have."""
    from transformers import AutoModelForImageTextToText

    family.build(folder)
    config = json.loads((folder / "config.json").read_text())
    for part in (config, config["text_config"]):
        part["tie_word_embeddings"] = False
    (folder / "config.json").write_text(json.dumps(config))
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    torch.manual_seed(seed)
    with torch.no_grad():
        model.get_output_embeddings().weight.normal_(0.0, 0.1)
    model.save_pretrained(folder)
    assert model.get_output_embeddings().weight is not model.get_input_embeddings().weight
    return folder


@pytest.fixture(scope="module")
def trained(rows: dict[str, world.World], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All trainings on one process, here, and on two, started as `vz train` starts its own."""
    folder = tmp_path_factory.mktemp("trained")
    torch.set_num_threads(1)
    for processes in (1, 2):
        cases = CASES if processes == 2 else (*CASES, ADDED_UP_OTHERWISE)
        jobs = [
            job for name, each in rows.items() for case in cases for job in case.jobs(each, folder / name, processes)
        ]
        if processes == 1:
            train_all(jobs)
            continue
        (folder / "jobs").write_bytes(pickle.dumps(jobs))
        recipe = jobs[0].recipe
        call = command(recipe, folder / "jobs")
        call[len(call) - 1 - call[::-1].index("stages.train.worker")] = "tests.families.sharded"
        ended = subprocess.run(
            call,
            env=environment(recipe, spread_of(recipe)),
            timeout=900,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert ended.returncode == 0, ended.stdout.decode(errors="replace")[-8000:]
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_two_sharded_processes_train_as_one(
    family: Family, case: Case, rows: dict[str, world.World], trained: Path
) -> None:
    if family.name not in rows:
        pytest.skip(f"{family.name} needs {' and '.join(family.needs)}")
    one, two = (case.jobs(rows[family.name], trained / family.name, processes) for processes in (1, 2))
    for number, (alone, sharded) in enumerate(zip(one, two, strict=True)):
        (a,), (b,) = updates_of(alone), updates_of(sharded)
        assert a["rows"] == b["rows"] == (3 if case.anchored else 7)
        assert (a["anchor_kl"] is not None) == case.anchored
        for name in ("loss", "kl", "entropy", "anchor_kl"):
            assert b[name] is None or b[name] == pytest.approx(a[name], rel=NEAR, abs=1e-7), name
        norm = abs(b["grad_norm"] / a["grad_norm"] - 1)
        found = apart(Path(alone.state_out), Path(sharded.state_out))
        name = max(found, key=lambda each: found[each])
        print(f"{family.name} {case.name} round {number}: norm {norm:.1e}, {name} {found[name]:.1e}")
        assert norm <= NEAR
        limits = {} if case.lora or case.anchored else limits_of(rows[family.name], trained / family.name, number)
        assert {name: value for name, value in found.items() if value > limits.get(name, NEAR)} == {}


def limits_of(rows: world.World, folder: Path, number: int) -> dict[str, float]:
    """How far each tensor may be off: `NEAR`, or what its own rounding comes to, if that is more.

    Gradients of a vision tower's queries and keys are small differences of large numbers. In the second round one
    process differs from itself by up to 2e-5 there when it adds its rows up one by one instead of several at once. It
    does so with and without KL alike: by 1.5e-5 in the first round of Idefics3.
    """
    pair, single = (case.jobs(rows, folder, 1)[number] for case in (CASES[0], ADDED_UP_OTHERWISE))
    own = apart(Path(pair.state_out), Path(single.state_out))
    assert max(own.values()) <= ROUNDING
    return {name: max(NEAR, 3 * value) for name, value in own.items()}


def apart(one: Path, two: Path) -> dict[str, float]:
    """‖a − b‖ / ‖a‖ of each weight and moment.

    A gradient that is 0 but for rounding (of a bias that softmax cancels) is measured by the largest of its kind.
    """
    a, b = world.tensors(one), world.tensors(two)
    assert a.keys() == b.keys()
    norms = {name: float(value.double().norm()) for name, value in a.items()}
    found = {}
    for name, value in a.items():
        kind = name.split("/")[0]
        least = 1e-3 * max(norm for other, norm in norms.items() if other.startswith(kind))
        found[name] = float((value.double() - b[name].double()).norm()) / max(norms[name], least)
    return found


def test_vz_train_continues_from_a_sharded_state(rows: dict[str, world.World], trained: Path, tmp_path: Path) -> None:
    """One family stands for all: their second rounds above continue from states, too."""
    name = "qwen2_5_vl"
    case, each = CASES[0], rows[name]
    recipe = case.recipe(each.model, 2).model_dump(mode="json", by_alias=True)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    command = [sys.executable, "-m", "vzcli", "train", each.kept, "--recipe", tmp_path / "recipe.yaml"]
    options: list[str | Path] = []
    for number, alone in enumerate(case.jobs(each, trained / name, 1)):
        out = tmp_path / f"round{number}"
        subprocess.run([*command, "--out", out, *options], check=True)
        options = ["--state", tmp_path / f"round{number}-state", "--base", each.model]
        found = apart(Path(alone.state_out), tmp_path / f"round{number}-state")
        limits = limits_of(each, trained / name, number)
        assert {name: value for name, value in found.items() if value > limits[name]} == {}


def test_an_untied_head_has_its_own_gradient(rows: dict[str, world.World], trained: Path) -> None:
    for name, each in rows.items():
        moments = world.tensors(Path(CASES[0].jobs(each, trained / name, 2)[0].state_out))
        assert "exp_avg/lm_head.weight" in moments, name
        assert moments["exp_avg/lm_head.weight"].abs().max() > 0, name
