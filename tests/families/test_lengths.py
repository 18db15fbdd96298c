"""The processor alone gives prompt lengths, for every family and picture shape."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stages.core import vlm
from stages.core.errors import InputError
from stages.core.play.playable import longest_prompts
from stages.core.recipe import load
from stages.core.vlm.prompts import PromptLengths
from tests.families.builders import FAMILIES, Family

# Ordinary ones, thin ones, and some that several families refuse.
SIZES = [
    (64, 60),
    (64, 20),
    (20, 64),
    (300, 120),
    (121, 333),
    (500, 500),
    (37, 501),
    (5, 5),
    (1, 1),
    (4000, 10),
    (3, 900),
]
PAIR = {"pair_id": "p", "domain": "photo", "changes": [], "scene": None}


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def processor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    family: Family = request.param
    if not family.is_usable():
        pytest.skip(f"{family.name} needs {' and '.join(family.needs)}, as `make test-vllm` has them")
    folder: Path = family.build(tmp_path_factory.mktemp(family.name) / "model")
    return vlm.load_processor(folder, load("tiny").model)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_predicted_length_is_the_actual_one(processor: Any, size: tuple[int, int]) -> None:
    lengths = PromptLengths(processor)
    picture = Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1]))
    for prompt in longest_prompts(load("tiny", ["game.prompts=standard", "game.own_thoughts=true"]), PAIR):
        try:
            actual = len(vlm.encode_one(processor, prompt.messages, [picture]).ids)
        except Exception:
            with pytest.raises(InputError, match=f"cannot take {size[0]}×{size[1]} pixels: "):
                lengths.picture(prompt.messages, size)
            continue
        assert lengths.text(prompt.messages) + lengths.picture(prompt.messages, size) == actual
