"""Seeds that depend only on their purpose, not on order, process or machine."""

from __future__ import annotations

import hashlib
import random

SEED_BITS = 48  # `seed + sample` fits an engine's signed 64 bits, and JSON and Parquet store it exactly


def derive(*parts: object) -> int:
    """A seed in [0, 2**48) from the parts, e.g. `derive(run_seed, game_id, turn)`."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - SEED_BITS)


def rng(*parts: object) -> random.Random:
    """Python's generator, seeded by `derive`: the same stream on every platform."""
    return random.Random(derive(*parts))
