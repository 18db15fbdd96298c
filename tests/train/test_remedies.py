"""Each remedy that a message of the training stage names works."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from stages import filter as filter_stage
from stages import iterate, rollout, score, train
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from tests.helpers import fake_recipe, write_games

RECIPE = fake_recipe("rollout.concurrent_games=4", "train.total_updates=9")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """games, rollouts, scored and kept, beside one another."""
    place = tmp_path_factory.mktemp("finished")
    games = write_games(place / "games", RECIPE, count=8)
    rollout.run(RECIPE, games, place / "rollouts")
    score.run(RECIPE, place / "rollouts", place / "scored", phase="decision")
    filter_stage.run(RECIPE, place / "scored", place / "kept", phase="decision")
    return place


@pytest.fixture
def place(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "place"))


def trained(place: Path, out: str = "checkpoint", recipe: Recipe = RECIPE, **more: Any) -> str:
    return train.run(recipe, place / "kept", place / out, **more).status


@pytest.mark.parametrize(("name", "option"), [("scored", "rollouts"), ("rollouts", "rollouts"), ("games", "games")])
def test_a_missing_input_can_be_restored_or_named(place: Path, name: str, option: str) -> None:
    (place / name).rename(place / "elsewhere")
    moved = {option: place / ("elsewhere" if name == option else option)}
    with pytest.raises(InputError, match=f"the input '{name}' of .* put it back, or give its place with --{option}"):
        trained(place)
    if (place / "rollouts").is_dir() or name == "rollouts":
        assert trained(place, "named", **moved) == "done"
    (place / "elsewhere").rename(place / name)
    assert trained(place) == "done"


def test_moved_rollouts_of_scores_can_be_named(place: Path) -> None:
    (place / "rollouts").rename(place / "elsewhere")
    with pytest.raises(InputError, match="put it back, or give its place with --rollouts"):
        filter_stage.run(RECIPE, place / "scored", place / "again", phase="decision")
    done = filter_stage.run(RECIPE, place / "scored", place / "again", phase="decision", rollouts=place / "elsewhere")
    assert done.status == "done"


def test_training_continues_from_a_state_whose_checkpoint_is_named(place: Path) -> None:
    trained(place, state_out=place / "far")
    with pytest.raises(InputError, match="is not next to it: name it with --model"):
        trained(place, "two", state_in=place / "far")
    assert trained(place, "two", state_in=place / "far", model=place / "checkpoint") == "done"


def test_the_state_can_go_to_another_place(place: Path) -> None:
    trained(place)
    state = place / "checkpoint-state"
    with pytest.raises(InputError, match="give another --state-out"):
        trained(place, "two", state_in=state, state_out=state)
    assert trained(place, "two", state_in=state, state_out=place / "next") == "done"
    (place / "mine").mkdir()
    with pytest.raises(InputError, match="is not a training state; give another --state-out"):
        trained(place, "three", state_out=place / "mine")
    assert trained(place, "three", state_out=place / "free") == "done"


@pytest.mark.parametrize("change", ["train.learning_rate=1", "train.kl=1"])
def test_another_recipe_needs_overwrite_or_another_out(place: Path, change: str) -> None:
    trained(place)
    other = fake_recipe("rollout.concurrent_games=4", "train.total_updates=9", change)
    with pytest.raises(InputError, match="use --overwrite to replace it, or another --out"):
        trained(place, recipe=other)
    assert trained(place, "another", recipe=other) == "done"
    assert trained(place, recipe=other, overwrite=True) == "done"


def test_a_run_that_began_with_another_recipe(place: Path) -> None:
    small = ["iterate.games=4", "iterate.rounds=1"]
    iterate.run(fake_recipe(*small), place / "run", games=place / "games")
    other = fake_recipe(*small, "game.votes=4")
    with pytest.raises(InputError, match="use those again, choose another --out, or discard the run with --overwrite"):
        iterate.run(other, place / "run", games=place / "games")
    assert iterate.run(fake_recipe(*small), place / "run", games=place / "games").status == "up to date"
    assert iterate.run(other, place / "another", games=place / "games").status == "done"
    assert iterate.run(other, place / "run", games=place / "games", overwrite=True).status == "done"
