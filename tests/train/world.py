"""Small inputs for training: a tiny random LLaVA, pictures, and rows of random tokens with true log-probs.

Tests compare with figures from `logprobs` and `hand`, which use plain torch on one unpadded row at a time. They share no
code with the stage.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import torch
from PIL import Image

from stages.core import tables
from stages.core.recipe import Recipe
from stages.core.vlm import placeholder_tokens
from tests.helpers import manifest_of_stage

TEMPERATURE = 0.7
WORDS = ["clue", "vote", "list", "check", "players", "rounds", "seat", "civilian", "spy", "changed", "red", "cube"]


# To train on rows that other weights played.
LIMITLESS = {"logprob_gap_limit": 100.0, "effective_tokens_limit": 0.0}


def recipe(model: Path, **train: Any) -> Recipe:
    """A recipe for the tiny model on the CPU; `lora=True` trains an adapter."""
    lora = train.pop("lora", False)
    settings = {"learning_rate": 1e-3, "tokens_per_batch": 100, "warmup": 0.0, "schedule": "constant", **train}
    return Recipe.model_validate(
        {
            "deterministic": True,
            "threads": 1,
            "model": {
                "path": str(model),
                "device": "cpu",
                "dtype": "bfloat16",
                "lora": {"rank": 4, "alpha": 8} if lora else None,
            },
            "train": settings,
        }
    )


def build_llava(folder: Path) -> Path:
    """A LLaVA of some ten thousand random weights, in fp32."""
    from stages.init_model.build import build_model, build_processor
    from stages.init_model.plan import Body
    from stages.init_model.tokenizer import build_tokenizer

    shape = Body(picture=48, patch=24, vision_width=32, vision_layers=1, text_width=32, text_layers=2, head_width=16)
    tokenizer = build_tokenizer()
    build_model(shape, tokenizer, 0).save_pretrained(folder)
    build_processor(shape, tokenizer).save_pretrained(folder)
    return folder


def make_games(folder: Path, sizes: Sequence[tuple[int, int]] = ((40, 52), (49, 52), (58, 52))) -> Path:
    """A games folder with a pair of pictures of each size, width × height; rows need three."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for pair, size in enumerate(sizes):
        row: dict[str, Any] = dict.fromkeys(tables.PAIRS)
        row |= {"pair_id": f"p{pair}", "domain": "clevr", "changes": [], "source": "test", "seed": pair}
        for kind in ("original", "modified"):
            path = f"images/p{pair}_{kind}.png"
            colour = (60 * pair + 20, 90 if kind == "original" else 200, 40)
            Image.new("RGB", size, colour).save(folder / path)
            row |= {kind: path, f"{kind}_sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest()}
        rows.append({**row, "split": "train"})
    tables.write(tables.from_rows(rows, tables.PAIRS), folder / "pairs.parquet", tables.PAIRS)
    return folder


@dataclass(frozen=True)
class Rules:
    """What a sampler does to logits, written independently of the stage."""

    min_tokens: int = 0
    penalty: float = 1.0
    stop: tuple[int, ...] = (5,)
    never: tuple[int, ...] = ()

    def applied(self, logits: torch.Tensor, before: list[int], said: int) -> torch.Tensor:
        """The logits [V] of one token under the rules; `before` are all earlier tokens, `said` of them in the answer."""
        changed = logits.clone()
        for token in set(before):
            changed[token] = logits[token] / self.penalty if logits[token] > 0 else logits[token] * self.penalty
        for token in self.stop if said < self.min_tokens else ():
            changed[token] = -torch.inf
        for token in self.never:
            changed[token] = -torch.inf
        return changed


@dataclass
class World:
    """The folders of a set of rows."""

    model: Path
    games: Path
    rollouts: Path
    scored: Path
    kept: Path
    rows: list[dict[str, Any]] = field(default_factory=list)

    def choose(self, rows: Sequence[dict[str, Any]], kept: Path) -> Path:
        """Another kept folder, of some of the rows."""
        return write_kept(kept, rows, self.scored)


def make_world(
    folder: Path,
    model: Path,
    games: Path,
    rows: int,
    *,
    seed: int = 0,
    phase: str | Sequence[str] = "mixed",
    policy: Path | None = None,
    tokens: range = range(6, 30),
    stop: int = 5,
    rules: Mapping[str, Rules] | None = None,
) -> World:
    """`rows` completions of random tokens with the policy's own log-probs (fp32, at TEMPERATURE) and advantages.

    Tokens are drawn from `tokens`, and each completion ends with `stop`. `rules` are the sampler's, by phase. `phase`
    may be one for each row: clue, decision (votes on one prompt), or mixed (prompts of their own).
    """
    phases = [phase] * rows if isinstance(phase, str) else phase
    given = rules or {}
    by_phase = {phase: replace(given.get(phase, Rules()), stop=(stop,)) for phase in ("clue", "decision")}
    played = [
        _row(number, random.Random(f"{seed} {number} {each}"), each, tokens, by_phase)
        for number, each in enumerate(phases)
    ]
    _fill(played, policy or model, games)
    rollouts, scored = folder / "rollouts", folder / "scored"
    write_rollouts(rollouts, played, games, by_phase)
    write_scored(scored, rollouts)
    kept = write_kept(folder / "kept", played, scored)
    return World(model, games, rollouts, scored, kept, played)


def write_rollouts(
    folder: Path, rows: Sequence[dict[str, Any]], games: Path, rules: Mapping[str, Rules] | None = None
) -> None:
    """Rows as the rollout stage writes them, in two parts."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [{name: row.get(name) for name in tables.ROLLOUTS} for row in rows]
    half = (len(rows) + 1) // 2
    for part, some in enumerate((columns[:half], columns[half:])):
        tables.write(tables.from_rows(some, tables.ROLLOUTS), folder / f"part-{part:05d}.parquet", tables.ROLLOUTS)
    sampling: dict[str, Any] = {"temperature": TEMPERATURE, "max_clue_tokens": 16}
    for phase, own in (rules or {}).items():
        what = "clue" if phase == "clue" else "vote"
        sampling |= {f"min_{what}_tokens": own.min_tokens, f"{what}_repetition_penalty": own.penalty}
    _manifest(folder, "rollout", {"rollout": sampling}, {"games": games})


def write_outside(folder: Path, model: Path, games: Path, rows: int, seed: int = 0) -> list[dict[str, Any]]:
    """Answers of `model` outside the game, as the stage writes them; every third prompt shows no picture."""
    by_phase = {phase: Rules() for phase in ("clue", "decision")}
    answers = [
        _row(number, random.Random(f"{seed} {number}"), "mixed", range(6, 30), by_phase) for number in range(rows)
    ]
    for number, row in enumerate(answers):
        row |= {"prompt_id": f"q{number}", "kind": "question", "images": [f"images/p{number % 3}_original.png"]}
        if number % 3 == 0:
            row |= {
                "images": [],
                "prompt": [{"role": "user", "content": [{"type": "text", "text": f"list clue {number}"}]}],
            }
    _fill(answers, model, games)
    folder.mkdir(parents=True)
    columns = [{name: row.get(name) for name in tables.OUTSIDE} for row in answers]
    tables.write(tables.from_rows(columns, tables.OUTSIDE), folder / "outside.parquet", tables.OUTSIDE)
    _manifest(folder, "outside", {"rollout": {"temperature": TEMPERATURE}}, {"games": games})
    change(folder / "manifest.json", lambda body: body.update(counts={"policy_version": answers[0]["policy_version"]}))
    return answers


def write_scored(folder: Path, rollouts: Path) -> Path:
    """A scored folder. Training reads only the place of the rollouts from it."""
    folder.mkdir(parents=True)
    _manifest(folder, "score", {}, {"rollouts": rollouts})
    return folder


def write_kept(
    folder: Path, rows: Sequence[dict[str, Any]], scored: Path, settings: dict[str, Any] | None = None
) -> Path:
    """The kept table of `rows`, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = [{name: row.get(name) for name in tables.KEPT} for row in rows]
    tables.write(pl.DataFrame(columns, schema=tables.KEPT), folder / "kept.parquet", tables.KEPT)
    tables.write(pl.DataFrame(schema=tables.REJECTED), folder / "rejected.parquet", tables.REJECTED)
    _manifest(folder, "filter", settings or {}, {"scored": scored})
    return folder


def tensors(state: Path) -> dict[str, torch.Tensor]:
    """All tensors of a training state."""
    from safetensors.torch import load_file

    return {name: value for part in sorted(state.glob("part-*")) for name, value in load_file(part).items()}


def moved(one: Path, other: Path, start: dict[str, torch.Tensor]) -> float:
    """‖a − b‖ / ‖a − start‖ over master weights: how far two trainings differ, relative to how far they moved."""
    a, b = tensors(one), tensors(other)
    assert a.keys() == b.keys()
    assert {f"weight/{name}" for name in start} == {name for name in a if name.startswith("weight/")}
    apart = _norm([a[f"weight/{name}"] - b[f"weight/{name}"] for name in start])
    return apart / _norm([a[f"weight/{name}"] - weight for name, weight in start.items()])


def _norm(values: list[torch.Tensor]) -> float:
    return float(sum(value.double().pow(2).sum() for value in values)) ** 0.5


def change(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Edit a JSON file in place."""
    body = json.loads(path.read_text())
    edit(body)
    path.write_text(json.dumps(body))


def logprobs(
    model: Any,
    processor: Any,
    row: dict[str, Any],
    games: Path,
    temperature: float = TEMPERATURE,
    rules: Rules | None = None,
) -> torch.Tensor:
    """[T] log-probs of one row's completion: unpadded, alone, from plain logits, token by token."""
    inputs = _prompt(processor, row, games)
    completion = torch.tensor([row["completion_ids"]])
    start = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], completion], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    for name in [name for name in inputs if name.endswith("token_type_ids")]:  # what is said is text, type 0
        inputs[name] = torch.cat([inputs[name], torch.zeros_like(completion)], dim=1)
    logits = model(**inputs, use_cache=False).logits[0, start - 1 : -1].float()
    rules = replace(rules or row["rules"], never=tuple(placeholder_tokens(model, processor)))
    found, ids = [], inputs["input_ids"][0].tolist()
    for place, token in enumerate(row["completion_ids"]):
        changed = rules.applied(logits[place], ids[: start + place], place)
        found.append((changed / temperature).log_softmax(-1)[token])
    return torch.stack(found)


@dataclass
class Hand:
    """Loss, KL and gradient norm of one update, written from the equations."""

    loss: float
    kl: float  # mean over all tokens, nats
    grad_norm: float


def hand(
    model: Any,
    reference: Callable[[dict[str, Any]], torch.Tensor],
    processor: Any,
    rows: Sequence[dict[str, Any]],
    games: Path,
    *,
    kl: float,
    loss: str = "grpo",
    sampled: bool = False,
    clip: float = 0.2,
    anchors: Sequence[dict[str, Any]] = (),
    anchor_kl: float = 0.0,
    anchor: Callable[[dict[str, Any]], torch.Tensor] | None = None,
    outside: Sequence[dict[str, Any]] = (),
    outside_kl: float = 0.0,
    start: Callable[[dict[str, Any]], torch.Tensor] | None = None,
    weigh: Callable[[dict[str, Any], torch.Tensor], torch.Tensor] | None = None,
) -> Hand:
    """Eq. 3 and 6: the mean over completions (or tokens) of −min(ρA, clip(ρ)A) + τ·k3, and its gradient's norm.

    The ratio divides by `start` if given, else by the stored log-probs (`sampled`) or the policy itself. `weigh` gives
    weights of the policy's terms. `anchors` add anchor_kl times the mean of their mean k3 to `anchor` (default: the
    reference). `outside` rows, which the reference sampled, add outside_kl times the mean of their mean KL from it: of
    r − 1 − log r with r = π / π_ref.
    """
    model.zero_grad()
    each, kls = [], []
    for row in rows:
        now = logprobs(model, processor, row, games)
        old = torch.tensor(row["completion_logprobs"]) if sampled else (start(row) if start else now.detach())
        base = reference(row)
        ratio, advantage = (now - old).exp(), row["advantage"]
        policy = -torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
        divergence = (base - now).exp() - (base - now) - 1
        each.append(policy * (weigh(row, old) if weigh else 1.0) + kl * divergence)
        kls.append(divergence.detach())
    if loss == "grpo":
        total = torch.stack([tokens.mean() for tokens in each]).mean()
    else:
        total = torch.cat(each).mean()
    for row in anchors:
        gap = (anchor or reference)(row) - logprobs(model, processor, row, games)
        total = total + anchor_kl * (gap.exp() - gap - 1).mean() / len(anchors)
    for row in outside:
        log_r = logprobs(model, processor, row, games) - reference(row)
        total = total + outside_kl * (log_r.exp() - 1 - log_r).mean() / len(outside)
    total.backward()
    squares = sum(float(weight.grad.double().pow(2).sum()) for weight in model.parameters() if weight.grad is not None)
    return Hand(total.item(), torch.cat(kls).mean().item(), squares**0.5)


def _row(number: int, draw: random.Random, phase: str, tokens: range, rules: Mapping[str, Rules]) -> dict[str, Any]:
    decision = phase == "decision" or (phase == "mixed" and number % 2 == 1)
    words = [draw.choice(WORDS) for _ in range(3 + 4 * (number % 3))]
    picture = f"images/p{number % 3}_{'original' if number % 4 else 'modified'}.png"
    text = [{"type": "text", "text": " ".join(words)}, {"type": "image", "text": None}, {"type": "text", "text": "say"}]
    row: dict[str, Any] = dict.fromkeys([*tables.ROLLOUTS, *tables.KEPT])
    if phase == "decision":  # all votes of a game answer one prompt
        picture, text[0] = "images/p1_original.png", {"type": "text", "text": "seat list vote clue red"}
    own = rules["decision" if decision else "clue"]
    said = [draw.choice(tokens) for _ in range(1 + own.min_tokens + 2 * (number % 4))]
    return row | {
        "game_id": f"g{number % 4 if phase == 'decision' else number // 4:03d}",
        "turn": 8 if phase == "decision" else number % 4,
        "sample": number // 4 if phase == "decision" else 0,
        "phase": "decision" if decision else "clue",
        "role": "analyst" if decision else "civilian",
        "policy": "current",
        "prompt": [{"role": "user", "content": text}],
        "images": ["blank:30x50" if number % 5 == 3 and phase != "decision" else picture],
        "completion_ids": [*said, own.stop[0]],
        "rules": own,
        "completion": "",
        "finish_reason": "stop",
        "seed": number,
        "reward": 0.0,
        "advantage": draw.uniform(-1.5, 1.5),
        "truncated": False,
        "sampler": "transformers float32",
    }


def _fill(rows: Sequence[dict[str, Any]], model: Path, games: Path) -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from stages.core.folder.content import version_of

    processor = AutoProcessor.from_pretrained(model)
    policy = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32).eval()
    version = version_of(model)
    for row in rows:
        ids = _prompt(processor, row, games)["input_ids"][0].tolist()
        packed = b"".join(token.to_bytes(4, "little") for token in ids)
        row |= {"prompt_tokens": len(ids), "prompt_sha256": hashlib.sha256(packed).hexdigest()}
        with torch.no_grad():
            row["completion_logprobs"] = logprobs(policy, processor, row, games).tolist()
        row["policy_version"] = version


def _prompt(processor: Any, row: dict[str, Any], games: Path) -> dict[str, torch.Tensor]:
    messages = [
        {
            "role": message["role"],
            "content": [{"type": "image"} if part["type"] == "image" else part for part in message["content"]],
        }
        for message in row["prompt"]
    ]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    pictures = [
        Image.new("RGB", (30, 50), "white") if ref.startswith("blank") else Image.open(games / ref).convert("RGB")
        for ref in row["images"]
    ]
    return dict(processor(text=[text], images=[pictures] if pictures else None, return_tensors="pt"))


def _manifest(folder: Path, stage: str, settings: dict[str, Any], inputs: dict[str, Path]) -> None:
    places = {name: {"path": str(path.absolute()), "sha256": ""} for name, path in inputs.items()}
    (folder / "manifest.json").write_text(json.dumps(manifest_of_stage(stage, settings=settings, inputs=places)))
