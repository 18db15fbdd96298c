"""Rows outside the game add their KL from the base, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.train import Train
from stages.train import run
from stages.train.job import Job
from stages.train.loss import loss_of
from stages.train.outside import check_pictures, draw_outside
from tests.train import world
from tests.train.test_loss import ROWS, gradient, random_batch, size_of
from tests.train.test_update import Start
from tests.train.world import World, change, make_world, recipe, write_outside

CLOSE = 1e-5


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, model: Path, pictures: Path) -> Path:
    folder = tmp_path_factory.mktemp("answers") / "outside"
    write_outside(folder, model, pictures, 8)
    return folder


def test_the_term_is_the_kl_from_the_base_on_its_own_samples() -> None:
    train = Train(outside_kl=0.7, kl=0.3)
    batch, logprobs = random_batch()
    batch = replace(batch, is_outside=torch.arange(ROWS) >= ROWS - 2)
    size = replace(size_of(batch), outside=2)
    without = loss_of(batch, logprobs, replace(size, outside=0), train)
    kl = []
    for number in (ROWS - 2, ROWS - 1):
        length = int(batch.mask[number].sum())
        assert batch.reference is not None
        log_r = (logprobs - batch.reference)[number, :length]
        kl.append((log_r.exp() - 1 - log_r).mean())
    added = loss_of(batch, logprobs, size, train) - without
    torch.testing.assert_close(added, 0.7 * torch.stack(kl).mean(), rtol=1e-4, atol=1e-6)
    alone = gradient(without, logprobs)
    assert not alone[-2:].any() and alone[:-2].any()


@pytest.mark.parametrize(
    ("lora", "kl", "weight", "shared"), [(False, 0.04, 0.7, True), (True, 0.0, 0.7, False), (False, 0.0, 0.0, True)]
)
def test_loss_and_gradient_follow_the_equations(
    played: World, tmp_path: Path, lora: bool, kl: float, weight: float, shared: bool
) -> None:
    """Also without pictures, and beside anchors, which keep their own mean."""
    start = Start(tmp_path, played, lora=lora)
    games = world.make_games(tmp_path / "games")
    mixed = make_world(tmp_path / "rows", start.base, games, 7, seed=7, policy=start.checkpoint)
    settings = {"phase": "decision", "filter": {"inactive_phase": "anchor"}}
    kept = world.write_kept(tmp_path / "anchored", mixed.rows, mixed.scored, settings)
    outside = write_outside(tmp_path / "outside", start.base, games, 4)
    counts = run(
        start.recipe(kl=kl, anchor_kl=0.5, outside_kl=weight, outside_rows=4, share_prefixes=shared),
        kept,
        tmp_path / "out",
        model=start.checkpoint,
        base=start.base,
        outside=tmp_path / "outside",
        state_in=start.state,
    ).counts
    votes, clues = ([row for row in mixed.rows if row["phase"] == phase] for phase in ("decision", "clue"))
    only_votes = World(mixed.model, games, mixed.rollouts, mixed.scored, kept, votes)
    expected = start.by_hand(only_votes, kl=kl, anchors=clues, anchor_kl=0.5, outside=outside, outside_kl=weight)
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)
    assert counts["kl"] == pytest.approx(expected.kl, rel=CLOSE)
    assert counts["outside_kl"] > 1e-3  # measured in any case
    assert (counts["rows"], counts["anchor_rows"], counts["outside_rows"]) == (len(votes), len(clues), 4)
    assert counts["tokens"] == sum(len(row["completion_ids"]) for row in votes)


def job(played: World, answers: Path, done: int, **train: Any) -> Job:
    rows = recipe(played.model, **{"outside_rows": 3, **train})
    model = str(played.model)
    places = {"kept": str(played.kept), "rollouts": str(played.rollouts), "games": str(played.games)}
    return Job(rows, **places, model=model, base=model, anchor=model, outside=str(answers), state_in=None, state_out=None, done=done)  # fmt: skip


def test_the_update_of_the_run_decides_which_answers_it_adds(played: World, answers: Path) -> None:
    """So that rounds of one update equal one call, and a repeated training gets the same rows."""
    whole = [row.name for row in draw_outside(job(played, answers, 0), 4)]
    rounds = [row.name for done in range(4) for row in draw_outside(job(played, answers, done), 1)]
    assert rounds == whole and len(whole) == 4 * 3
    assert len(set(whole[:3])) == 3 and whole[:3] != whole[3:6]
    assert draw_outside(job(played, answers, 0), 0) == []


def test_every_update_of_a_call_gets_its_rows(played: World, answers: Path, tmp_path: Path) -> None:
    several = recipe(played.model, rows_per_update=4, outside_rows=2, **world.LIMITLESS)
    report = run(several, played.kept, tmp_path / "out", outside=answers, games=played.games)
    assert report.counts["updates"] == 3 and report.counts["outside_rows"] == 6
    assert report.counts["outside_kl"] == pytest.approx(0.0, abs=1e-6)  # before the first update


def small(model: Path, rows: int) -> Recipe:
    return recipe(model, outside_rows=rows)


def test_rows_and_folder_belong_together(played: World, answers: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outside_rows is 3, but there are no answers.*--outside"):
        run(small(played.model, 3), played.kept, tmp_path / "out")
    with pytest.raises(InputError, match="train.outside_rows is 0"):
        run(small(played.model, 0), played.kept, tmp_path / "out", outside=answers)
    with pytest.raises(InputError, match="has 8 answers, but train.outside_rows is 9"):
        run(small(played.model, 9), played.kept, tmp_path / "out", outside=answers)


def test_answers_of_another_model_or_temperature_are_refused(played: World, tmp_path: Path) -> None:
    write_outside(tmp_path / "outside", played.model, played.games, 4)
    manifest = tmp_path / "outside/manifest.json"
    change(manifest, lambda body: body["settings"]["rollout"].update(temperature=1.5))
    with pytest.raises(InputError, match="sampled at temperature 1.5.* at 0.7"):
        run(small(played.model, 3), played.kept, tmp_path / "out", outside=tmp_path / "outside")
    change(manifest, lambda body: body["counts"].update(policy_version="another"))
    with pytest.raises(InputError, match="are of policy version another, but the base .* make them again"):
        run(small(played.model, 3), played.kept, tmp_path / "out", outside=tmp_path / "outside")


def test_without_such_rows_nothing_changes(played: World, tmp_path: Path) -> None:
    """Not even the identity of what earlier versions trained."""
    plain = recipe(played.model)
    assert plain.settings("train") == recipe(played.model, outside_kl=9.0).settings("train")
    assert "outside_rows" not in plain.settings("train")["train"]
    assert "outside_rows" in small(played.model, 3).settings("train")["train"]


def test_processes_that_share_weights_need_a_picture_in_each_prompt(played: World, answers: Path) -> None:
    rows = draw_outside(job(played, answers, 0, outside_rows=8), 1)
    check_pictures(rows, False)
    with pytest.raises(InputError, match=r"outside: prompt 'q\d': shows no picture.*<image>"):
        check_pictures(rows, True)
    check_pictures([row for row in rows if row.pictures], True)
