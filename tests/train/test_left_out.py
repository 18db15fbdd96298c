"""Votes without an advantage keep their KL term in the paper's recipes, and leaving them out changes no other term."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import polars as pl
import pytest

from stages import filter as filter_stage
from stages.core import tables
from stages.core.folder.artifact import Report
from stages.core.recipe import load
from stages.train import run
from tests.train import world
from tests.train.test_update import CLOSE, Start
from tests.train.world import World, make_world

VOTES = 4
REWARDS = [[1, 1, 1, 1]] * 4 + [[1, 1, -1, -1]]  # by game: 18 of 20 votes are right, an accuracy of 0.9
LOSSES = ["grpo", "dapo"]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, played: World) -> Start:
    return Start(tmp_path_factory.mktemp("start"), played, lora=False)


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory, start: Start) -> World:
    """Twenty votes with the advantages of eq. 5, which are 0 in all games but one."""
    folder = tmp_path_factory.mktemp("voted")
    games = world.make_games(folder / "games")
    made = make_world(folder, start.base, games, 20, seed=9, phase="decision", policy=start.checkpoint)
    for number, row in enumerate(made.rows):
        game, sample = divmod(number, VOTES)
        own = REWARDS[game]
        advantage = (own[sample] - fmean(own)) / (pstdev(own) + 1e-6)
        row |= {"game_id": f"g{game}", "group_id": f"g{game}", "sample": sample, "vote_kind": "seat"}
        row |= {"reward": float(own[sample]), "advantage": advantage}
    world.write_rollouts(made.rollouts, made.rows, games)
    columns = [{name: row.get(name) for name in tables.SCORED} for row in made.rows]
    tables.write(pl.DataFrame(columns, schema=tables.SCORED), made.scored / "scored.parquet", tables.SCORED)
    return made


def trained(start: Start, voted: World, folder: Path, *overrides: str, recipe: str = "paper", **train: Any) -> Report:
    """The update on what the recipe's filter keeps of the votes."""
    kept = filter_stage.run(load(recipe, list(overrides)), voted.scored, folder / "kept", phase="decision").out
    settings = start.recipe(**{"kl": load(recipe).train.kl, **train})
    return run(settings, kept, folder / "out", model=start.checkpoint, base=start.base, state_in=start.state)


@pytest.mark.parametrize("recipe", ["paper", "released-code"])
def test_the_kl_term_keeps_the_papers_weight_at_an_accuracy_of_0_9(
    start: Start, voted: World, recipe: str, tmp_path: Path
) -> None:
    counts = trained(start, voted, tmp_path, recipe=recipe).counts
    both, policy_alone = start.by_hand(voted, kl=0.04), start.by_hand(voted, kl=0.0)
    assert counts["rows"] == 20
    assert counts["loss"] == pytest.approx(both.loss, rel=CLOSE)
    assert counts["grad_norm"] == pytest.approx(both.grad_norm, rel=CLOSE)
    assert both.grad_norm != pytest.approx(policy_alone.grad_norm, rel=0.01)  # the KL term is a visible share


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("how", ["filter.no_variance=drop", "filter.min_abs_advantage=0.1"])
def test_the_policy_terms_mean_includes_votes_that_were_left_out(
    start: Start, voted: World, how: str, loss: str, tmp_path: Path
) -> None:
    counts = trained(start, voted, tmp_path, how, loss=loss, kl=0.0).counts
    expected = start.by_hand(voted, kl=0.0, loss=loss)
    assert counts["rows"] == 4
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE, abs=1e-7)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_kl_term_keeps_its_weight_when_votes_are_left_out(
    start: Start, voted: World, loss: str, tmp_path: Path
) -> None:
    counts = trained(start, voted, tmp_path, "filter.no_variance=drop", loss=loss, kl=0.04).counts
    rows = [row for row in voted.rows if row["game_id"] == "g4"]
    shares = {"grpo": len(rows) / 20, "dapo": _tokens(rows) / _tokens(voted.rows)}
    scaled = [row | {"advantage": row["advantage"] * shares[loss]} for row in rows]
    only = World(voted.model, voted.games, voted.rollouts, voted.scored, voted.kept, scaled)
    expected = start.by_hand(only, kl=0.04, loss=loss)  # Σ A over all twenty, KL as a mean over the four
    assert counts["loss"] == pytest.approx(expected.loss, rel=CLOSE, abs=1e-7)
    assert counts["grad_norm"] == pytest.approx(expected.grad_norm, rel=CLOSE)


def test_renormalise_leaves_votes_out_as_if_nobody_had_cast_them(start: Start, voted: World, tmp_path: Path) -> None:
    counts = trained(start, voted, tmp_path, "filter.no_variance=renormalise").counts
    rows = [row for row in voted.rows if row["game_id"] == "g4"]
    only = World(voted.model, voted.games, voted.rollouts, voted.scored, voted.kept, rows)
    assert counts["loss"] == pytest.approx(start.by_hand(only, kl=0.04).loss, rel=CLOSE)


def _tokens(rows: list[dict[str, Any]]) -> int:
    return sum(len(row["completion_ids"]) for row in rows)
