"""Processor time of decoding by kind of attention and precision: `python -m tests.core.engines.bench_attention MODEL`.

MODEL is a folder, such as the one that `vz init-model --recipe smollm2` makes. The kinds take turns in one process, on
one thread.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import torch
from transformers import AutoModelForImageTextToText

from stages.core.engines import decoding
from stages.core.engines.base import Sampling
from stages.core.vlm import grouped

KINDS = ("sdpa", "eager", grouped.NAME)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--length", type=int, default=200, help="tokens of a prompt")
    parser.add_argument("--tokens", type=int, default=48, help="that each row draws")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16"], choices=["bfloat16", "float32"])
    given = parser.parse_args()
    torch.set_num_threads(1)
    grouped.register()
    models = {
        f"{kind} {dtype}": AutoModelForImageTextToText.from_pretrained(
            given.model, dtype=getattr(torch, dtype), attn_implementation=kind
        ).eval()
        for kind in given.kinds
        for dtype in given.dtypes
    }
    ids = torch.randint(100, 10_000, (given.prompts, given.length), generator=torch.Generator().manual_seed(0))
    drawn = []
    for _ in range(given.times):
        for kind, model in models.items():
            seconds, answers = _decode(model, ids, given.rows, given.tokens)
            drawn.append(answers)
            print(f"{kind}: {given.tokens - 1} steps of {given.rows} rows in {seconds:.2f} s", flush=True)
    print("the tokens are the same" if all(each == drawn[0] for each in drawn) else "some tokens differ")


def _decode(model: Any, ids: torch.Tensor, rows: int, tokens: int) -> tuple[float, list[list[int]]]:
    """The seconds of all steps after the prompts', and the tokens of each row."""
    seconds, forward = 0.0, decoding._forward

    def timed(*arguments: Any, **options: Any) -> Any:
        nonlocal seconds
        began = time.process_time()
        found = forward(*arguments, **options)
        seconds += (time.process_time() - began) * ("next_sequence_length" in options)
        return found

    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=tokens, min_tokens=tokens, repetition_penalty=1.0)
    prompts, seeds = [row % len(ids) for row in range(rows)], list(range(rows))
    loop = decoding.Decoding(prompts, seeds, sampling, stop_tokens=[2], shares=True)
    decoding._forward = timed
    try:
        inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        answers = loop.run(model, inputs, suppressed=[], pad_token=2)
    finally:
        decoding._forward = forward
    return seconds, [ids for ids, _ in answers]


if __name__ == "__main__":
    main()
