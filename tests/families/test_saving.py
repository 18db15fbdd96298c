"""A checkpoint that trained nothing equals its base: files, logits and visual tokens of each family.

An adapter of random weights, exported as a model, computes what the adapter computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from stages import export, train
from stages.core.recipe import Recipe
from stages.core.vlm import base_of_adapter, encode, encode_one, load_processor
from stages.core.vlm.saving import own_files
from tests.families.adapters import adapter_of
from tests.families.builders import FAMILIES, Family
from tests.train import world

PAGE = (1700, 2200)
LINE: Any = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "clue"}]}]


@dataclass(frozen=True)
class Saved:
    limits: dict[str, Any]  # that the recipe sets
    base: Path
    full: Path
    adapter: Path


def untrained(family: Family, base: Path, folder: Path, *, lora: bool) -> Path:
    """A checkpoint of a run with the family's other picture limits, after a round without rows."""
    made = world.recipe(base, lora=lora)
    model = {**made.model.model_dump(), "dtype": "float32", **family.other_limit}
    settings = Recipe.model_validate({**made.model_dump(), "model": model})
    games = world.make_games(folder / "games")
    world.write_rollouts(folder / "rollouts", [], games)
    scored = world.write_scored(folder / "scored", folder / "rollouts")
    return train.run(settings, world.write_kept(folder / "kept", [], scored), folder / "out").out


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    family: Family = request.param
    if not family.is_usable():
        pytest.skip(f"{family.name} needs {' and '.join(family.needs)}, as `make test-vllm` has them")
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp(family.name)
    base = with_other_positions(family.build(folder / "model"))
    return Saved(
        family.other_limit,
        base,
        untrained(family, base, folder / "full", lora=False),
        untrained(family, base, folder / "lora", lora=True),
    )


def with_other_positions(base: Path) -> Path:
    """Another base of rotary positions than the library's default, so that losing it shows."""
    path = base / "config.json"
    path.write_text(path.read_text().replace('"rope_theta": 10000.0', '"rope_theta": 1000000.0'))
    return base


def logits(folder: Path) -> tuple[list[int], torch.Tensor]:
    """Prompt tokens and logits of a page, as anybody gets them who loads the folder with transformers alone."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    page = Image.linear_gradient("L").resize(PAGE).convert("RGB")
    processor = folder if own_files(folder) else base_of_adapter(folder, world.recipe(folder).model)
    inputs = encode(AutoProcessor.from_pretrained(processor), [LINE], [[page]])
    with torch.no_grad():
        return inputs["input_ids"][0].tolist(), model(**inputs).logits


def test_a_checkpoint_gives_the_bases_visual_tokens_and_logits(saved: Saved) -> None:
    tokens, expected = logits(saved.base)
    for checkpoint in (saved.full, saved.adapter):
        ids, found = logits(checkpoint)
        assert ids == tokens
        assert torch.equal(found, expected)


def test_an_exported_adapter_gives_the_adapters_logits(saved: Saved, tmp_path: Path) -> None:
    adapter = adapter_of(
        saved.base, tmp_path / "adapter", target_modules=r".*(language|text)_model.*\.(q_proj|down_proj)"
    )
    exported = export.export_model(str(adapter), tmp_path / "model").out
    (_, base), (_, expected), (_, found) = (logits(folder) for folder in (saved.base, adapter, exported))
    assert found == pytest.approx(expected, abs=1e-5)
    assert (expected - base).abs().max() > 0.1
    names = [path.relative_to(saved.base) for path in own_files(saved.base)]
    assert all((exported / name).read_bytes() == (saved.base / name).read_bytes() for name in names)


def test_the_files_are_the_bases(saved: Saved) -> None:
    from safetensors.torch import load_file

    names = [path.relative_to(saved.base) for path in own_files(saved.base)]
    assert all((saved.full / name).read_bytes() == (saved.base / name).read_bytes() for name in names)
    before, after = (load_file(folder / "model.safetensors") for folder in (saved.base, saved.full))
    before = {name.replace("vision_tower.", "vision_tower.vision_model.") if name not in after else name: weight
              for name, weight in before.items()}  # fmt: skip
    assert before.keys() == after.keys()
    assert all(torch.equal(weight, after[name]) for name, weight in before.items())


def test_the_recipes_limits_apply_to_the_checkpoint_as_to_the_base(saved: Saved) -> None:
    page = Image.linear_gradient("L").resize(PAGE).convert("RGB")
    model = world.recipe(saved.base).model.model_copy(update=saved.limits)
    folders = (saved.base, saved.full, saved.adapter)
    base, *others = (encode_one(load_processor(folder, model), LINE, [page]).ids for folder in folders)
    assert others == [base, base] and base != logits(saved.base)[0]
