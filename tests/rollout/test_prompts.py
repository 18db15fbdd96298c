"""Prompts describe what differs between the pictures as the change log of the pair has it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from stages import make_games, rollout
from stages.core.recipe import load
from stages.core.recipe.load import shared_folder
from stages.make_games import Sources
from tests.helpers import FAKE

ONE = ("games.changes=1", "games.change_attributes=[material]")
MANY = ("games.changes=3", "games.change_attributes=[color]")
CHART = ("games.width=320", "games.height=240", "games.charts.kinds=[pie]")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (ONE, "in which one of the objects has a different material, and everything else is the same."),
        (MANY, "in which three of the objects have a different colour, and everything else is the same."),
        ((*ONE, "games.noise.identical=1"), "in which something may be missing, added or changed."),
        ((*ONE, "games.noise.blank=1"), "in which something may be missing, added or changed."),
        (CHART, "in which two of the values are swapped, and everything else is the same."),
    ],
    ids=["one object", "three objects", "identical", "blank", "chart"],
)
def test_prompts_describe_the_change_of_their_pair(settings: tuple[str, ...], told: str, tmp_path: Path):
    recipe = load("tiny", [*FAKE, "games.pairs=2", "games.samples=1", *settings])
    sources = Sources(tables=shared_folder("data") / "tables") if settings is CHART else Sources()
    make_games.run(recipe, tmp_path / "games", sources=sources, processes=1)
    out = rollout.run(recipe, tmp_path / "games", tmp_path / "out", split=None).out
    rows = pl.concat(pl.read_parquet(part) for part in out.glob("part-*"))
    setting = [prompt[0]["content"][0]["text"].split("\n") for prompt in rows["prompt"].to_list()]
    assert all(lines[2].endswith(told) for lines in setting), setting[0]
    assert all(("a pie chart" in lines[1]) == (settings is CHART) for lines in setting), setting[0]
