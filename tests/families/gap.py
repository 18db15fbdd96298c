"""How far the sampler's log-probs differ from those of a plain forward pass: `python -m tests.families.gap`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import torch
from PIL import Image

from stages import rollout
from stages.core import tables, vlm
from stages.core.recipe import load
from tests.families.builders import FAMILIES
from tests.helpers import write_games

GAMES = 16


def logits_of(model: Any, processor: Any, prompt: Any, picture: Image.Image, said: Sequence[int]) -> torch.Tensor:
    """[T, V] logits at the tokens said: one row, alone, unpadded, without a cache."""
    inputs = dict(vlm.encode(processor, [prompt], [[picture]]))
    tokens, start = torch.tensor([list(said)]), inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], tokens], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    for name in [name for name in inputs if name.endswith("token_type_ids")]:
        inputs[name] = torch.cat([inputs[name], torch.zeros_like(tokens)], dim=1)
    with torch.no_grad():
        return model(**inputs, use_cache=False).logits[0, start - 1 : -1].float()


def logprobs_of(logits: torch.Tensor, said: Sequence[int], temperature: float, never: Sequence[int]) -> torch.Tensor:
    """[T] log-probs of what was said, where the tokens in `never` have no probability."""
    allowed = logits.clone()
    allowed[:, [token for token in never if token < logits.shape[-1]]] = -torch.inf
    return (allowed / temperature).log_softmax(-1)[range(len(said)), list(said)]


def gaps(folder: Path, rollouts: Path, games: Path, temperature: float) -> pl.Series:
    """|sampler − forward pass| of every token of these rollouts."""
    recipe = load("tiny", ["model.dtype=float32", "model.device=cpu"]).model
    model, processor = vlm.load_model(folder, recipe), vlm.load_processor(folder, recipe)
    never = vlm.placeholder_tokens(model, processor)
    found: list[float] = []
    for row in tables.read_parts(rollouts, tables.ROLLOUTS).iter_rows(named=True):
        said, stored = row["completion_ids"], torch.tensor(row["completion_logprobs"])
        with Image.open(games / row["images"][0]) as picture:
            logits = logits_of(model, processor, row["prompt"], picture.convert("RGB"), said)
        found += (stored - logprobs_of(logits, said, temperature, never)).abs().tolist()
    return pl.Series("gap", found)


def main() -> None:
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as scratch:
            place = Path(scratch)
            if not family.is_usable():
                print(f"{family.name}: skipped, needs {', '.join(family.needs)}")
                continue
            family.build(place / "model")
            settings = [f"model.path={place / 'model'}", "model.device=cpu", "rollout.max_prompt_tokens=900"]
            recipe = load("tiny", [*settings, "deterministic=false", "games.dev_fraction=0", "games.test_fraction=0"])
            games = write_games(place / "games", recipe, count=GAMES, side=72)
            rollouts = rollout.run(recipe, games, place / "rollouts", split=None).out
            found = gaps(place / "model", rollouts, games, recipe.rollout.temperature)
            shown = ", ".join(f"{part:.0%} {found.quantile(part):.1e}" for part in (0.5, 0.9, 0.99, 1.0))
            print(f"{family.name}: {len(found)} tokens, mean {found.mean():.1e}, {shown}")


if __name__ == "__main__":
    main()
