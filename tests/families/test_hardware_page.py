"""The settings that docs/hardware.md names for each model suit its family's processor."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from stages.core.errors import InputError
from stages.core.recipe import load
from stages.core.vlm import load_processor
from tests.families.builders import FAMILIES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "hardware.md"
BY_NAME = {"Qwen2.5-VL": "qwen2_5_vl", "Qwen3-VL": "qwen3_vl", "InternVL3": "internvl", "SmolVLM2": "smolvlm"}
LIMITLESS = ("internvl", "smolvlm")  # whose processors know no largest picture


def settings_of(family: str) -> list[list[str]]:
    """The settings in each row of a model of this family."""
    [start] = (name for name, own in BY_NAME.items() if own == family)
    rows = [row for row in PAGE.read_text().splitlines() if re.match(rf"\| `[\w-]+/{re.escape(start)}-", row)]
    assert rows, start
    return [
        [word for word in shlex.split(" ".join(re.findall(r"`(--set .*?)`", row))) if word != "--set"] for row in rows
    ]


@pytest.mark.parametrize(
    "family", [each for each in FAMILIES if each.name in BY_NAME.values()], ids=lambda each: each.name
)
def test_the_recipe_lora_loads_each_models_processor_with_its_settings(family, tmp_path: Path) -> None:
    if not family.is_usable():
        pytest.skip(f"{family.name} needs {' and '.join(family.needs)}, as `make test-vllm` has them")
    folder = f"model.path={family.build(tmp_path / 'model')}"
    for settings in settings_of(family.name):
        recipe = load("lora", [folder, *settings]).model
        load_processor(recipe.path, recipe)
    if family.name in LIMITLESS:
        recipe = load("lora", [folder]).model
        with pytest.raises(InputError, match="set model.max_pixels=null"):
            load_processor(recipe.path, recipe)
