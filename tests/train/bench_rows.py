"""What `make bench-train` trains on: a small Qwen2.5-VL, and rows that the stages themselves make.

The games are played by a script, with the project's prompts and the model's tokenizer: 5 players, 2 rounds of clues, 8
votes, pictures of 480×320. Answers have 30 to 250 tokens, and log-probs are made up, since training with
`correction: off` does not read them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages import filter as filter_stage
from stages import rollout, score
from stages.core import vlm
from stages.core.engines.base import Completion, Engine, Request
from stages.core.recipe import Recipe, load
from stages.core.seeds import rng
from tests.families.chatml import qwen2_5_vl
from tests.helpers import write_games

ANSWER = (30, 250)  # tokens
PICTURE = (480, 320)  # pixels
CLUES, VOTES = 10, 8  # rows of a game in each phase
REPOSITORY = Path(__file__).parents[2]

# Some 36 million weights, divided among tower, language model and head about as in Qwen2.5-VL-7B.
SMALL = {
    "vision": {
        "hidden_size": 192,
        "intermediate_size": 512,
        "depth": 8,
        "num_heads": 6,
        "window_size": 112,
        "fullatt_block_indexes": [7],
        "out_hidden_size": 512,
    },
    "text": {
        "hidden_size": 512,
        "intermediate_size": 1408,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "max_position_embeddings": 8192,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]},
    },
}


@dataclass(frozen=True)
class Rows:
    """The folders that a training reads."""

    model: Path
    games: Path
    rollouts: Path
    kept: Path


def build_model(folder: Path, shape: dict[str, Any], dtype: Any = None) -> Path:
    """Qwen2.5-VL of this shape with random weights, and a tokenizer trained on the project's own texts."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob("docs/**/*.md"))]
    texts += [path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob("stages/core/game/**/*.j2"))]
    texts += [" ".join(_sentence(random.Random(number)) for number in range(500))]
    return qwen2_5_vl(folder, **shape, dtype=dtype, spread=0.03, texts=texts)


def make_rows(folder: Path, model: Path, phase: str, games: int, size: tuple[int, int] = PICTURE) -> Rows:
    """The rows of `games` games that train in `phase`: 8 votes of each, or its 10 clues."""
    recipe = recipe_of(model)
    made = write_games(folder / "games", recipe, count=games, side=size[0], height=size[1])
    with Scripted(recipe, model) as engine:
        models: dict[str, str | Path] = {"current": model}
        rollout.run(recipe, made, folder / "rollouts", split=None, models=models, engine=engine)
    score.run(recipe, folder / "rollouts", folder / "scored")
    active: Any = {"clues": "clue", "votes": "decision"}[phase]
    filter_stage.run(recipe, folder / "scored", folder / "kept", phase=active)
    return Rows(model, made, folder / "rollouts", folder / "kept")


def recipe_of(model: Path, overrides: Sequence[str] = ()) -> Recipe:
    """The paper's recipe for the small model: one update of all rows in fp32, the stored log-probs unread."""
    place = [f"model.path={model}", "model.dtype=float32", "model.device=auto", "game.spy_view=modified"]
    place += ["rollout.engine=transformers", "train.processes=1", "train.accelerate_config=null"]
    rules = ["train.ratio=on-policy", "train.correction=off", "train.schedule=constant", "train.warmup=0"]
    limits = ["train.logprob_gap_limit=1e6", "train.effective_tokens_limit=0", "train.max_grad_norm=1e6"]
    return load("paper", [*place, *rules, *limits, *overrides])


class Scripted(Engine):
    """Says random sentences, as long as real answers are, in the tokens of the model."""

    def __init__(self, recipe: Recipe, model: Path) -> None:
        super().__init__()
        self._processor = vlm.load_processor(model, recipe.model)

    def load(self, policy: str, model: str | Path, version: str) -> None:
        self._versions[policy] = version

    async def generate(self, request: Request) -> list[Completion]:
        pictures = [picture.load() for picture in request.pictures]
        prompt = vlm.encode_one(self._processor, request.messages, pictures).ids
        made = [self._answer(request, sample, prompt) for sample in range(request.n)]
        self.count(made, prompts=len(prompt))
        return made

    def _answer(self, request: Request, sample: int, prompt: list[int]) -> Completion:
        draw, tokenizer = rng("bench", request.seed + sample), self._processor.tokenizer
        boxed = str(draw.randint(1, 5)) if request.n > 1 else _sentence(draw)
        end = [*tokenizer(f" \\boxed{{{boxed}}}")["input_ids"], tokenizer.eos_token_id]
        length = draw.randint(*ANSWER) - len(end)
        thought = tokenizer(" ".join(_sentence(draw) for _ in range(ANSWER[1] // 8)))["input_ids"][: max(1, length)]
        ids = [*thought, *end]
        text = tokenizer.decode(ids, skip_special_tokens=True)
        return Completion(text, ids, [-1.0] * len(ids), "stop", len(prompt), vlm.prompt_hash(prompt), "script")


def _sentence(draw: random.Random) -> str:
    thing, other = _thing(draw), _thing(draw)
    where = draw.choice(["behind", "in front of", "to the left of", "to the right of", "close to", "far from"])
    return draw.choice(["There is", "I can see", "My picture has", "Look at"]) + f" the {thing} {where} the {other}."


def _thing(draw: random.Random) -> str:
    size, stuff = draw.choice(["small", "large"]), draw.choice(["metal", "rubber"])
    colour = draw.choice(["gray", "red", "blue", "green", "brown", "purple", "cyan", "yellow"])
    return f"{size} {colour} {stuff} {draw.choice(['cube', 'sphere', 'cylinder'])}"


def described(rows: Rows) -> dict[str, Any]:
    """How long the prompts and answers are that train."""
    kept = pl.read_parquet(rows.kept / "kept.parquet", columns=["game_id", "turn", "sample"])
    played = pl.read_parquet(rows.rollouts / "part-*.parquet").join(kept, on=kept.columns, how="semi")
    answers = played["completion_ids"].list.len()
    prompts = played["prompt_tokens"]
    return {
        "rows": len(played),
        "prompt_tokens": [prompts.min(), prompts.mean(), prompts.max()],
        "answer_tokens": [answers.min(), answers.mean(), answers.max()],
    }
