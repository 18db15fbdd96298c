"""Rows to train on, of a chosen length: games of 8 votes for one prompt, with a picture of 480×320."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from PIL import Image

from stages.core import tables, vlm
from stages.core.recipe import Recipe
from tests.train.world import WORDS, make_games, write_kept, write_rollouts, write_scored

VOTES = 8


def write_rows(folder: Path, recipe: Recipe, model: Path, games: int, words: int, answer: int) -> dict[str, Path]:
    """The folders of `games` × 8 rows whose prompts have about `words` words and whose answers have `answer` tokens."""
    pictures = make_games(folder / "games", [(480, 320)] * games)
    processor = vlm.load_processor(model, recipe.model)
    rows = [row for game in range(games) for row in _game(game, processor, words, answer)]
    write_rollouts(folder / "rollouts", rows, pictures)
    scored = write_scored(folder / "scored", folder / "rollouts")
    return {"games": pictures, "rollouts": folder / "rollouts", "kept": write_kept(folder / "kept", rows, scored)}


def _game(game: int, processor: Any, words: int, answer: int) -> list[dict[str, Any]]:
    draw = random.Random(game)
    text = " ".join(draw.choice(WORDS) for _ in range(words))
    content = [{"type": "text", "text": text}, {"type": "image", "text": None}, {"type": "text", "text": "vote"}]
    messages = [{"role": "user", "content": content}]
    prompt = vlm.encode_one(processor, messages, [Image.new("RGB", (480, 320))])
    base = dict.fromkeys([*tables.ROLLOUTS, *tables.KEPT]) | {
        "game_id": f"g{game:03d}", "turn": 8, "phase": "decision", "role": "analyst", "policy": "current",
        "prompt": messages, "images": [f"images/p{game}_original.png"], "completion": "", "finish_reason": "stop",
        "prompt_tokens": len(prompt.ids), "prompt_sha256": vlm.prompt_hash(prompt.ids), "policy_version": "any",
        "completion_logprobs": [-1.0] * answer, "seed": game, "reward": 0.0, "truncated": False,
        "sampler": "transformers float32",
    }  # fmt: skip
    return [
        base | {
            "sample": sample,
            "completion_ids": [draw.randrange(60, 90) for _ in range(answer)],
            "advantage": draw.uniform(-1, 1),
        }
        for sample in range(VOTES)
    ]  # fmt: skip
