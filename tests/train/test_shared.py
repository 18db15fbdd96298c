"""Training from prefix trees: the same gradients as row by row, with each prompt and each picture computed once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stages.train.tree import FORMS
from tests.train import world
from tests.train.gradients import Update, apart


@pytest.fixture(scope="module")
def votes(tmp_path_factory: pytest.TempPathFactory, model: Path, pictures: Path) -> world.World:
    return world.make_world(tmp_path_factory.mktemp("votes"), model, pictures, 8, phase="decision")


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("rows", ["votes", "played"])
def test_gradients_of_trees_equal_those_of_single_rows(rows: str, lora: bool, request: pytest.FixtureRequest):
    """With KL and with anchors; padded and unpadded."""
    given: world.World = request.getfixturevalue(rows)
    update = Update(given, world.recipe(given.model, lora=lora), None if lora else given.model)
    if lora:  # so that A has a gradient, too
        torch.manual_seed(1)
        for name, weight in update.policy.named_parameters():
            if "lora_B" in name:
                weight.data.normal_(0, 0.1)
    alone = update.gradients("rows", 1)
    for form in FORMS:
        for budget in (64, 4096):
            assert apart(alone, update.gradients(form, budget)) < 1e-5
    assert update.trial("sequence") is update.trial("batch") is None
    if rows == "votes":
        assert update.sharing("sequence") < 0.45
