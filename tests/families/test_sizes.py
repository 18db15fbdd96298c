"""Estimates know every family: all weights are counted, and a picture becomes as many tokens as the processor makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.core import vlm
from stages.core.estimate.workload import workload_of
from stages.core.recipe import load
from stages.core.vlm.size import size_of
from tests.families.builders import FAMILIES, Family


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_sizes_are_those_of_the_model(family: Family, tmp_path: Path):
    if not family.is_usable():
        pytest.skip(f"needs {', '.join(family.needs)}")
    folder = family.build(tmp_path / "model")
    recipe = load("tiny", [f"model.path={folder}", "model.lora={rank: 2}"])
    size, model = size_of(folder, recipe.model), vlm.load_model(folder, recipe.model, device="cpu")
    assert size.weights == sum(weight.numel() for weight in model.parameters())
    assert size.language.layers == 2 and size.vision is not None and size.vision.layers == 2
    work = workload_of(recipe, size, folder)
    assert work.known == "by the model's own tokenizer"
    assert 2 <= work.look.tokens <= work.look.patches + 4  # with the marks around a picture
