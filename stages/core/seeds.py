"""Seeds that depend on what they are for, and on nothing else: not on order, process or machine."""

from __future__ import annotations

import hashlib
import random

SEED_BITS = 48  # leaves room for `seed + sample` in an engine's signed 64-bit seeds, and is exact in JSON and Parquet


def derive(*parts: object) -> int:
    """A seed in [0, 2**48) from the parts' text, e.g. `derive(run_seed, game_id, turn)`."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - SEED_BITS)


def rng(*parts: object) -> random.Random:
    """Python's own generator, seeded by `derive`: the same stream on every platform."""
    return random.Random(derive(*parts))
