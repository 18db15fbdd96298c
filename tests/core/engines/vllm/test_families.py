"""The families on vLLM: its prompts and log-probs match those of the trainer."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from stages import export, rollout
from stages.core import tables, vlm
from stages.core.errors import InputError
from stages.core.recipe import load
from tests.core.engines.vllm.world import VLLM
from tests.families.adapters import adapter_of
from tests.families.builders import FAMILIES, Family
from tests.families.gap import gaps
from tests.helpers import write_games

pytestmark = pytest.mark.vllm

GAMES = 6
ON_GPUS_ONLY = {"gemma3"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_prompts_and_log_probs_match_the_trainer(family: Family, tmp_path: Path):
    pytest.importorskip("vllm", reason="needs vLLM: make test-vllm")
    base = family.build(tmp_path / "base")
    adapter = adapter_of(base, tmp_path / "adapter", target_modules=r".*(language|text)_model.*\.(q_proj|down_proj)")
    place = export.export_model(str(adapter), tmp_path / "model").out  # an export loads without vz
    recipe = load("tiny", [*VLLM, f"model.path={place}", "model.device=cpu", "rollout.max_prompt_tokens=900"])
    games = write_games(tmp_path / "games", recipe, count=GAMES, side=72)
    if family.name in ON_GPUS_ONLY:
        with pytest.raises(InputError, match="tokens of a picture attend to each other"):
            rollout.run(recipe, games, tmp_path / "rollouts", split=None)
        return
    played = rollout.run(recipe, games, tmp_path / "rollouts", split=None).out
    rows = tables.read_parts(played, tables.ROLLOUTS)
    assert len(rows) == GAMES * 16
    processor = vlm.load_processor(place, recipe.model)
    for row in rows.sample(8, seed=0).iter_rows(named=True):
        with Image.open(games / row["images"][0]) as picture:
            prompt = vlm.encode_one(processor, row["prompt"], [picture.convert("RGB")])
        assert vlm.prompt_hash(prompt.ids) == row["prompt_sha256"]
    gap = gaps(place, played, games, recipe.rollout.temperature)
    assert len(gap) > 100 and gap.max() < 1e-3, gap.describe()
