"""Each family from prefix trees: the gradients of single rows, for all weights and for an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from stages.core.vlm.loading import load_skeleton
from tests.families.builders import FAMILIES, Family
from tests.families.test_families import Built, rows_of
from tests.train import world
from tests.train.gradients import Update, apart

pytestmark = pytest.mark.vllm  # where all families' parts are


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> world.World:
    """Pictures of several sizes, and votes that extend each other."""
    family: Family = request.param
    if not family.is_usable():
        pytest.skip(f"{family.name} needs {' and '.join(family.needs)}")
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(family.name)
    return rows_of(Built(family, family.build(folder / "model")), folder, 9, phase=[*["decision"] * 5, *["mixed"] * 4])


def skeleton(model: Path) -> Any:
    return load_skeleton(str(model), world.recipe(model).model)


@pytest.mark.parametrize("kind", ["full", "lora", "tower frozen"])
def test_gradients_of_trees_equal_those_of_single_rows(rows: world.World, kind: str):
    parts = [name for name, _ in skeleton(rows.model).base_model.named_children() if "language" not in name]
    freeze = [name for name in parts if name != "text_model"] if kind == "tower frozen" else []
    recipe = world.recipe(rows.model, lora=kind == "lora", freeze=freeze)
    update = Update(rows, recipe, None if kind == "lora" else rows.model)
    torch.manual_seed(1)
    for name, weight in update.policy.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.1)
    alone = update.gradients("rows", 1)
    assert update.policy.vz_sight.frozen == (kind != "full")
    assert apart(alone, update.gradients("batch", 4096)) < 1e-5
    assert update.trial("batch") is None
    reason = update.trial("sequence")
    if "gemma" in rows.model.parent.name:  # its windows and pictures
        assert reason == "its tokens see more or less than their paths"
    else:
        assert reason is None
        assert apart(alone, update.gradients("sequence", 4096)) < 1e-5
    assert update.sharing("batch") < 0.8
