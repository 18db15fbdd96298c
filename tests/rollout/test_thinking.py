"""Thinking models play: what they think is private, and an answer cut off inside its thought is counted apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import rollout
from stages.core import tables
from stages.core.engines import Request
from stages.core.engines.fake import FakeEngine
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.rollout import preflight
from tests.helpers import fake_recipe, write_games


def play(folder: Path, games: Path, recipe: Recipe, script: Any) -> Any:
    with FakeEngine(script) as engine:
        return rollout.run(recipe, games, folder, split=None, engine=engine)


def thinker(request: Request, sample: int) -> str:
    """Clues with a thought; the votes of odd samples do not come to an end of theirs."""
    if request.n == 1:
        return r"<think>secret plan \boxed{the plan}</think>Out loud. \boxed{a red cube}"
    return r"<think>\boxed{1} perhaps" + " or not" * 40 if sample % 2 else r"<think>\boxed{1}?</think>\boxed{2}"


def test_boxes_in_thoughts_do_not_count_and_thoughts_are_shown_to_their_author_alone(tmp_path: Path):
    recipe = fake_recipe("game.clue_rounds=2", "game.own_thoughts=true")
    games = write_games(tmp_path / "games", recipe)
    out = play(tmp_path / "out", games, recipe, thinker).out
    rows = tables.read_parts(out, tables.ROLLOUTS)
    clues = rows.filter(pl.col("phase") == "clue")
    assert clues["clue"].unique().to_list() == ["a red cube"]
    assert clues["thought"].unique().to_list() == ["closed"]
    for row in clues.iter_rows(named=True):
        prompt = " ".join(part["text"] or "" for part in row["prompt"][0]["content"])
        assert ("secret plan" in prompt) == (row["clue_round"] == 2)
        assert prompt.count("secret plan") <= 1 and "<think>" not in prompt
    votes = rows.filter(pl.col("phase") == "decision")
    assert votes.filter(pl.col("sample") % 2 == 0)["vote"].unique().to_list() == [2]
    assert votes.filter(pl.col("sample") % 2 == 1)["vote_kind"].unique().to_list() == ["unreadable"]


def test_answers_truncated_in_thought_are_counted_with_a_remedy_that_works(games: Path, tmp_path: Path):
    cut = play(tmp_path / "cut", games, fake_recipe(), thinker)
    votes = cut.counts["votes"]
    assert cut.counts["truncated"] == cut.counts["truncated_thoughts"] == votes / 2
    assert any("inside their thought" in line and "rollout.max_thinking_tokens" in line for line in cut.warnings)
    assert not any("after any thought" in line for line in cut.warnings)
    long = play(tmp_path / "long", games, fake_recipe("rollout.max_thinking_tokens=900"), thinker)
    assert long.counts["truncated"] == 0
    # An answer that ends inside its thought by itself is not cut off, but cannot be read either.
    assert long.counts["unreadable_votes"] == votes / 2


def test_other_truncated_answers_are_not_thoughts(games: Path, tmp_path: Path):
    cut = play(tmp_path / "cut", games, fake_recipe(), lambda *_: "<think>short</think>" + "word " * 50)
    assert cut.counts["truncated"] == cut.counts["rows"] and cut.counts["truncated_thoughts"] == 0
    assert any("after any thought" in line and "max_clue_tokens" in line for line in cut.warnings)


def test_room_for_thought_is_added_to_clues_and_votes_in_every_engine(games: Path, tmp_path: Path):
    from stages.core.engines.base import Sampling
    from stages.core.engines.vllm.arguments import longest_sequence
    from stages.train.rows import sampling_of

    recipe = fake_recipe("rollout.max_thinking_tokens=900", "rollout.max_prompt_tokens=50")
    assert [Sampling.of(recipe.rollout, phase).max_tokens for phase in ("clue", "decision")] == [1000, 1000]
    assert longest_sequence(recipe) == 1050
    out = play(tmp_path / "out", games, recipe, thinker).out
    assert sampling_of(out).max_tokens == 1000


def test_a_preflight_of_thoughts_alone_names_the_remedy(games: Path, tmp_path: Path):
    with FakeEngine(lambda *_: "<think>" + "hm " * 99) as engine, pytest.raises(InputError) as caught:
        preflight.run(fake_recipe(), games, tmp_path / "out", engine=engine)
    for words in ("of them inside their thought", "rollout.max_thinking_tokens", "enable_thinking: false"):
        assert words in str(caught.value)


def test_rollouts_of_an_earlier_version_have_no_thoughts(games: Path, tmp_path: Path):
    out = play(tmp_path / "out", games, fake_recipe(), thinker).out
    (part,) = tables.parts_of(out)
    pl.read_parquet(part).drop("thought").write_parquet(part)
    assert tables.read(part, tables.ROLLOUTS)["thought"].null_count() == tables.read(part, tables.ROLLOUTS).height
    assert tables.read(part, tables.ROLLOUTS, ["thought", "turn"]).columns == ["thought", "turn"]
    with pytest.raises(InputError, match="column 'vote' is missing"):
        pl.read_parquet(part).drop("vote").write_parquet(part)
        tables.read(part, tables.ROLLOUTS)
