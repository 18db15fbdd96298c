"""Inputs that are refused before any update, with clear messages; and how often pictures are read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.core.engines.picture_cache import PictureCache
from stages.core.errors import InputError
from stages.core.pictures import Picture
from stages.train import run
from stages.train.rows import read_rows, sampling_of
from tests.test_linked_games import link_pictures
from tests.train.world import LIMITLESS, World, change, recipe, write_kept, write_rollouts, write_scored

Rows = list[dict[str, Any]]


@pytest.fixture
def altered(played: World, tmp_path: Path) -> Callable[[Callable[[Rows], Rows]], World]:
    """The played rows with the rollouts changed by a function of all rows; kept stays as it was."""

    def alter(edit: Callable[[Rows], Rows]) -> World:
        rows = edit([dict(row) for row in played.rows])
        write_rollouts(tmp_path / "rollouts", rows, played.games)
        scored = write_scored(tmp_path / "scored", tmp_path / "rollouts")
        kept = write_kept(tmp_path / "kept", played.rows, scored)
        return World(played.model, played.games, tmp_path / "rollouts", scored, kept, rows)

    return alter


def first(**values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [{**rows[0], **values}, *rows[1:]]


def joined(world: World) -> None:
    read_rows(world.kept, world.rollouts, world.games, "grpo")


def test_rows_keep_the_order_of_kept(played: World, tmp_path: Path) -> None:
    backwards = write_kept(tmp_path / "kept", played.rows[::-1], played.scored)
    rows = read_rows(backwards, played.rollouts, played.games, "grpo")
    assert [row.name for row in rows] == [
        f"{played.rollouts}: game '{row['game_id']}', turn {row['turn']}, sample 0" for row in played.rows[::-1]
    ]


def test_a_kept_row_missing_in_the_rollouts(altered: Any) -> None:
    with pytest.raises(InputError, match=r"kept\.parquet: game 'g000', turn 0, sample 0 is not in .*rollouts"):
        joined(altered(lambda rows: rows[1:]))


def test_a_row_twice_in_the_rollouts(altered: Any) -> None:
    with pytest.raises(InputError, match="two rows with the key.*g000"):
        joined(altered(lambda rows: [*rows, rows[0]]))


def test_rows_of_another_policy(altered: Any) -> None:
    with pytest.raises(InputError, match=r"turn 0, sample 0 was played by the policy 'base'.*seat 'current'"):
        joined(altered(first(policy="base")))


LACKS, BROKEN = "lacks a log-prob for each of its tokens", "weights that played it are broken.*lower one"


@pytest.mark.parametrize(
    ("logprobs", "message"), [([-1.0], LACKS), ([-1.0, float("-inf")], BROKEN), ([float("nan")] * 2, BROKEN)]
)
def test_tokens_without_a_finite_logprob(altered: Any, logprobs: list[float], message: str) -> None:
    with pytest.raises(InputError, match=f"turn 0, sample 0 .*{message}"):
        joined(altered(first(completion_ids=[7, 5], completion_logprobs=logprobs)))


def test_an_advantage_that_is_not_finite(played: World, tmp_path: Path) -> None:
    kept = write_kept(tmp_path / "kept", [{**played.rows[0], "advantage": float("nan")}], played.scored)
    with pytest.raises(InputError, match=r"no finite advantage \(nan\)"):
        read_rows(kept, played.rollouts, played.games, "grpo")


def test_a_damaged_state_that_breaks_the_weights_is_named(played: World, tmp_path: Path) -> None:
    run(recipe(played.model, **LIMITLESS), played.kept, tmp_path / "one")
    part = tmp_path / "one-state/part-00001.safetensors"
    data = part.read_bytes()
    middle = len(data) * 3 // 4
    part.write_bytes(data[:middle] + b"\xff" * 5000 + data[middle + 5000 :])
    with pytest.raises(InputError, match=r"part-00001\.safetensors: is not as vz wrote it; take another state"):
        run(recipe(played.model, **LIMITLESS), played.kept, tmp_path / "two", state_in=tmp_path / "one-state")


def test_a_picture_that_the_games_do_not_have(altered: Any) -> None:
    with pytest.raises(InputError, match=r"has no picture 'images/else\.png'.*wrong --games"):
        joined(altered(first(images=["images/else.png"])))


def test_pictures_may_be_links_to_the_files_that_were_played(played: World, tmp_path: Path) -> None:
    games = Path(shutil.copytree(played.games, tmp_path / "games"))
    link_pictures(games)
    rows = read_rows(played.kept, played.rollouts, games, "grpo")
    pictures = {picture for row in rows for picture in row.pictures if picture.sha256}
    assert pictures and all(picture.load() for picture in pictures)
    for picture in pictures:
        (games / picture.ref).resolve().write_bytes(b"secret")
        with pytest.raises(InputError, match="sha256 differs"):
            picture.load()


@pytest.mark.parametrize("name", ["max_thinking_tokens", "vote_repetition_penalty", "top_p"])
def test_settings_that_are_no_numbers(altered: Any, name: str) -> None:
    world = altered(lambda rows: rows)
    change(world.rollouts / "manifest.json", lambda manifest: manifest["settings"]["rollout"].update({name: [1]}))
    with pytest.raises(InputError, match=f"settings.rollout.{name}"):
        sampling_of(world.rollouts)


@pytest.mark.parametrize("temperature", [None, 0.0])
def test_temperature_missing_or_zero(altered: Any, temperature: float | None) -> None:
    world = altered(lambda rows: rows)

    def edit(manifest: dict[str, Any]) -> None:
        manifest["settings"]["rollout"]["temperature"] = temperature

    change(world.rollouts / "manifest.json", edit)
    with pytest.raises(InputError, match="temperature"):
        sampling_of(world.rollouts)


@pytest.mark.parametrize(
    ("sampled", "said"),
    [
        ({"top_p": 0.9}, r"rollout\.top_p 0\.9.*--set rollout\.top_p=1"),
        ({"engine": "server", "server": {"extra_body": {"top_k": 40}}}, r"extra_body\.top_k 40.*play without it"),
        ({"engine": "server", "server": {"extra_body": {"presence_penalty": 1}}}, r"extra_body\.presence_penalty 1"),
    ],
)
def test_rows_of_a_distribution_that_training_cannot_compute(altered: Any, sampled: dict[str, Any], said: str) -> None:
    world = altered(lambda rows: rows)
    change(world.rollouts / "manifest.json", lambda manifest: manifest["settings"]["rollout"].update(sampled))
    with pytest.raises(InputError, match=said):
        read_rows(world.kept, world.rollouts, world.games, "grpo")
    neutral = {"top_p": 1.0, "server": {"extra_body": {"top_k": -1, "user": "me"}}}
    change(world.rollouts / "manifest.json", lambda manifest: manifest["settings"]["rollout"].update(neutral))
    assert read_rows(world.kept, world.rollouts, world.games, "grpo")


def test_a_prompt_with_other_tokens_than_at_sampling(altered: Any, tmp_path: Path) -> None:
    world = altered(first(prompt_sha256="0" * 64))
    with pytest.raises(InputError, match=r"turn 0, sample 0: its prompt becomes different tokens.*play them again"):
        run(recipe(world.model), world.kept, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_token_outside_the_vocabulary(altered: Any, tmp_path: Path) -> None:
    world = altered(first(completion_ids=[999, 5], completion_logprobs=[-1.0, -1.0]))
    with pytest.raises(InputError, match="token 999 is outside the model's vocabulary of 65"):
        run(recipe(world.model), world.kept, tmp_path / "out")


def test_a_token_that_stands_for_a_picture(altered: Any, tmp_path: Path) -> None:
    world = altered(first(completion_ids=[2, 5], completion_logprobs=[-1.0, -1.0]))
    with pytest.raises(InputError, match="stands for a picture"):
        run(recipe(world.model), world.kept, tmp_path / "out")


def test_rows_of_other_weights_are_counted_with_a_warning(altered: Any, tmp_path: Path) -> None:
    world = altered(first(policy_version="older"))
    report = run(recipe(world.model), world.kept, tmp_path / "out")
    assert report.counts["off_policy_rows"] == 1
    assert "1 of 11 rows were played by policy version older" in report.warnings[0]


def test_a_lora_start_other_than_the_base(played: World, tmp_path: Path) -> None:
    full = run(recipe(played.model), played.kept, tmp_path / "full")
    with pytest.raises(InputError, match="must be the base model"):
        run(recipe(played.model, lora=True), played.kept, tmp_path / "out", model=full.out)


def test_a_state_of_another_kind_of_training(played: World, tmp_path: Path) -> None:
    run(recipe(played.model), played.kept, tmp_path / "full")
    with pytest.raises(InputError, match="state of a 'full' training, but the recipe trains 'lora'"):
        run(recipe(played.model, lora=True), played.kept, tmp_path / "out", state_in=tmp_path / "full-state")


def test_each_picture_is_decoded_hashed_and_processed_once_a_round(
    played: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stages.core.engines import processing

    loaded: list[Picture] = []
    caches: list[PictureCache] = []

    def load(picture: Picture, plain: Any = Picture.load) -> Any:
        loaded.append(picture)
        return plain(picture)

    def cache(image_processor: Any) -> PictureCache:
        caches.append(PictureCache(image_processor))
        return caches[-1]

    monkeypatch.setattr(Picture, "load", load)
    monkeypatch.setattr(processing, "PictureCache", cache)
    # Two passes over the rows: one for the log-probs of before the first update, one to train.
    settings = recipe(played.model, rows_per_update=4, correction="token_truncate", kl=0.04, logprob_gap_limit=9.0)
    run(settings, played.kept, tmp_path / "out")
    different = {row["images"][0] for row in played.rows}
    assert len(loaded) == len(different) < len(played.rows)
    trials = 2  # of what stands for a picture in a prompt
    assert [each.prepared for each in caches] == [len(different) + trials]
