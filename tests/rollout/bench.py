"""What the engines make of the same games, side by side in one run: `make bench-rollout`.

(a) one sequence at a time with `generate`, as the released code plays; (b) the transformers engine; (c) the vLLM engine;
(d) vLLM alone, given the requests of (c) all at once, with no game logic: through AsyncLLM, and offline through LLM.

    python -m tests.rollout.bench --out runs/bench-rollout --games 256 --concurrent 256 --tokens 64
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stages import rollout
from stages.core import vlm
from stages.core.engines.base import Completion, Engine, Request
from stages.core.engines.transformers import TransformersEngine
from stages.core.folder.content import version_of
from stages.core.folder.files import write_json
from stages.core.recipe import Recipe, load
from tests.core.engines.vllm.world import VLLM, build_model
from tests.helpers import write_games

REPEATS = 4  # of (c) and (d), taken in turn: each is compared with the one beside it


@dataclass(frozen=True)
class Measured:
    """One way to play, once."""

    way: str
    games: int
    completions: int
    tokens: int
    cached_share: float | None
    seconds: float


class OneAtATime(Engine):
    """Each sample by a `generate` of its own, one after another."""

    def __init__(self, recipe: Recipe, model: Path) -> None:
        super().__init__()
        vlm.set_threads(recipe.threads)
        self._model = vlm.load_model(model, recipe.model)
        self._processor = vlm.load_processor(model, recipe.model)
        self._versions["current"] = "bench"

    def load(self, policy: str, model: str | Path, version: str) -> None:
        self._versions[policy] = version

    async def generate(self, request: Request) -> list[Completion]:
        return [self._sample(request, request.seed + sample) for sample in range(request.n)]

    def _sample(self, request: Request, seed: int) -> Completion:
        import torch

        torch.manual_seed(seed)
        pictures = [[picture.load() for picture in request.pictures]]
        inputs = vlm.encode(self._processor, [request.messages], pictures).to(self._model.device)
        sampling = request.sampling
        with torch.inference_mode():
            output = self._model.generate(
                **inputs,
                do_sample=True,
                temperature=sampling.temperature,
                max_new_tokens=sampling.max_tokens,
                min_new_tokens=sampling.min_tokens,
                suppress_tokens=vlm.placeholder_tokens(self._model, self._processor),
                pad_token_id=self._processor.tokenizer.pad_token_id,
            )
        prompt = inputs["input_ids"][0].tolist()
        ids = output[0, len(prompt) :].tolist()
        text = self._processor.tokenizer.decode(ids, skip_special_tokens=True)
        made = Completion(text, ids, [0.0] * len(ids), "stop", len(prompt), vlm.prompt_hash(prompt), "alone")
        self.count([made], prompts=len(prompt))
        return made


def main(arguments: Sequence[str] | None = None) -> int:
    given = _arguments(arguments)
    recipe = _recipe(given)
    games = write_games(given.out / "games", recipe, count=given.games, side=72)
    model = Path(given.model) if given.model else build_model(given.out / "model", layers=given.layers)
    rows = measure(given, recipe, games, model)
    write_json(
        given.out / "bench.json", {"settings": vars(given) | {"out": str(given.out)}, "rows": list(map(asdict, rows))}
    )
    print(report(rows))
    return 0


def measure(given: argparse.Namespace, recipe: Recipe, games: Path, model: Path) -> list[Measured]:
    """Every way to play, (c) and (d) REPEATS times in turn, so that a noisy machine disturbs both alike."""
    from stages.core.engines.vllm import VllmEngine

    version = version_of(model)
    rows = []
    with OneAtATime(recipe, model) as alone:
        few = write_games(given.out / "few-games", recipe, count=given.slow_games, side=72)
        rows.append(_play("(a) generate, one at a time", recipe, few, model, alone, given.out / "a"))

    asked: list[Request] = []

    class Recording(VllmEngine):
        async def generate(self, request: Request) -> list[Completion]:
            asked.append(request)
            return await super().generate(request)

    with TransformersEngine(recipe) as batched, Recording(recipe) as served:
        for engine in (batched, served):
            engine.load("current", model, version)
        _warm_up(served, recipe, given.out, model)
        rows.append(_play("(b) transformers engine", recipe, games, model, batched, given.out / "b"))
        for repeat in range(REPEATS):
            _forget(served)
            asked.clear()
            rows.append(_play("(c) vLLM engine", recipe, games, model, served, given.out / f"c{repeat}"))
            _forget(served)
            rows.append(_all_at_once(served, asked, given.games))
        prompts = _prompts(served, asked)
    for _ in range(REPEATS if given.offline else 0):
        rows.append(_offline(recipe, model, prompts, given.games))
    return rows


def _play(way: str, recipe: Recipe, games: Path, model: Path, engine: Engine, out: Path) -> Measured:
    before = engine.tally.copy()
    report = rollout.run(recipe, games, out, split=None, models={"current": model}, engine=engine, overwrite=True)
    grown = engine.tally.since(before)
    cached = grown.tokens_cached / grown.tokens_in if grown.tokens_cached else None
    played = report.counts["games"]
    return Measured(way, played, grown.completions, grown.tokens_out, cached, report.timings["play_seconds"])


def _warm_up(engine: Engine, recipe: Recipe, out: Path, model: Path) -> None:
    few = write_games(out / "warm-up", recipe, count=8, side=72)
    _play("warm-up", recipe, few, model, engine, out / "warm")


def _forget(engine: Any) -> None:
    """Empty vLLM's caches, so that nothing is spared but what one play of the games spares."""

    async def reset() -> None:
        for host in engine._hosts:
            await host._engine.reset_mm_cache()
            await host._engine.reset_encoder_cache()
            await host._engine.reset_prefix_cache()

    engine.run(reset())


def _prompts(engine: Any, requests: Sequence[Request]) -> list[tuple[Any, Any]]:
    from stages.core.engines.vllm.arguments import sampling_parameters

    policy = engine._policies["current"]
    return [
        (
            engine._prompt(request, policy.processor),
            sampling_parameters(request, policy.stop_tokens, policy.suppressed),
        )
        for request in requests
    ]


def _all_at_once(engine: Any, requests: Sequence[Request], games: int) -> Measured:
    """The requests as AsyncLLM takes them, prepared before the clock starts."""
    prepared = _prompts(engine, requests)
    core = engine._hosts[0]._engine

    async def ask(number: int, prompt: Any, parameters: Any) -> tuple[int, int, int, int]:
        async for output in core.generate(prompt, parameters, f"bench-{number}"):
            last = output
        tokens = sum(len(one.token_ids) for one in last.outputs)
        return len(last.outputs), tokens, len(last.prompt_token_ids), last.num_cached_tokens or 0

    async def together() -> list[tuple[int, int, int, int]]:
        return list(await asyncio.gather(*(ask(number, *one) for number, one in enumerate(prepared))))

    seconds, done = _timed(lambda: engine.run(together()))
    completions, tokens, prompts, cached = (sum(column) for column in zip(*done, strict=True))
    return Measured("(d) vLLM alone, AsyncLLM", games, completions, tokens, cached / prompts, seconds)


def _offline(recipe: Recipe, model: Path, prepared: Sequence[tuple[Any, Any]], games: int) -> Measured:
    from vllm import LLM

    from stages.core.engines.vllm.arguments import argument_values
    from stages.core.engines.vllm.weights import weights_of

    values = argument_values(recipe, weights_of(model, "bench", recipe.model), gpus=0)
    llm = LLM(**values)
    prompts, parameters = map(list, zip(*prepared, strict=True))
    llm.generate(prompts[:8], parameters[:8], use_tqdm=False)
    llm.reset_prefix_cache()
    seconds, outputs = _timed(lambda: llm.generate(prompts, parameters, use_tqdm=False))
    answers = [one for output in outputs for one in output.outputs]
    cached = sum(output.num_cached_tokens or 0 for output in outputs)
    share = cached / sum(len(output.prompt_token_ids) for output in outputs)
    llm.llm_engine.engine_core.shutdown()
    return Measured(
        "(d) vLLM alone, LLM", games, len(answers), sum(len(one.token_ids) for one in answers), share, seconds
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.monotonic()
    result = work()
    return time.monotonic() - began, result


def report(rows: Sequence[Measured]) -> str:
    """A line a way: medians over the repeats. What is compared with (d) are the repeats, pair by pair."""
    ways = list(dict.fromkeys(row.way for row in rows))
    rate = {way: statistics.median(row.tokens / row.seconds for row in rows if row.way == way) for way in ways}
    alone = [row.tokens / row.seconds for row in rows if row.way == "(d) vLLM alone, AsyncLLM"]
    lines = ["| way | tokens/s | games/min | prefix cache | of (a) | of (d) |", "|---|---|---|---|---|---|"]
    for way in ways:
        own = [row for row in rows if row.way == way]
        games = statistics.median(60 * row.games / row.seconds for row in own)
        cached = own[-1].cached_share
        share = "–" if cached is None else f"{cached:.0%}"
        beside = sorted(row.tokens / row.seconds / other for row, other in zip(own, alone, strict=False))
        compared = f"{statistics.median(beside):.2f} ({beside[0]:.2f} … {beside[-1]:.2f})"
        lines.append(
            f"| {way} | {rate[way]:,.0f} | {games:,.0f} | {share} | {rate[way] / rate[ways[0]]:.1f} | {compared} |"
        )
    return "\n".join(lines)


def _recipe(given: argparse.Namespace) -> Recipe:
    tokens = given.tokens
    length = [f"rollout.{kind}_tokens={tokens}" for kind in ("max_clue", "max_vote", "min_clue", "min_vote")]
    sizes = [f"rollout.concurrent_games={given.concurrent}", f"rollout.vllm.max_requests={given.requests}"]
    sizes += [f"rollout.batch_size={given.requests}", "rollout.max_prompt_tokens=1500"]
    return load("tiny", [*VLLM, *length, *sizes, "rollout.vllm.cpu_memory=4", "game.players=5", "game.votes=8"])


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", help="a folder; default: a LLaVA of random weights is built")
    parser.add_argument("--layers", type=int, default=12, help="of the language model; real ones have 28 and more")
    parser.add_argument("--games", type=int, default=256)
    parser.add_argument("--slow-games", type=int, default=4, help="games played one sequence at a time")
    parser.add_argument("--concurrent", type=int, default=256)
    parser.add_argument("--requests", type=int, default=160, help="completions in computation at once")
    parser.add_argument("--tokens", type=int, default=64, help="length of every answer")
    parser.add_argument("--offline", action="store_true", help="also vLLM's offline LLM class")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
