"""How many GPUs an engine takes."""

from __future__ import annotations

import pytest

from stages.core.engines.vllm.arguments import copies
from stages.core.errors import InputError
from stages.core.recipe.engines import VllmSettings


@pytest.mark.parametrize(
    ("settings", "gpus", "expected"),
    [({}, 8, 8), ({}, 1, 1), ({}, 0, 1), ({"tensor_parallel": 2}, 8, 4), ({"tensor_parallel": 2}, 5, 2),
     ({"data_parallel": 3}, 8, 3), ({"data_parallel": 2}, 0, 2)],
)  # fmt: skip
def test_copies_of_the_weights_fill_the_gpus_unless_the_recipe_says_otherwise(settings, gpus: int, expected: int):
    assert copies(VllmSettings(**settings), gpus) == expected


@pytest.mark.parametrize(
    "settings", [{"data_parallel": 8}, {"tensor_parallel": 8}, {"data_parallel": 4, "tensor_parallel": 2}]
)
def test_more_gpus_than_there_are_are_refused(settings):
    with pytest.raises(InputError, match="needs 8 GPUs .* but vLLM sees 4: lower one of them"):
        copies(VllmSettings(**settings), 4)
