"""Settings written by earlier versions, in recipes and in the manifests of output folders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Fields that recipes once had, with the value that applies now. A recipe or folder with this value is equivalent to one
# without the field. Any other value would have no effect, so it is an error. A tuple lists the accepted values.
ANY: Any = object()  # for a field that never affected a result: any value is accepted
_COURSE = ("steps", "rate", "last")
REMOVED: dict[str, Any] = {
    "games": {
        "placement": {
            "reach": 3.0, "gap": 0.25, "margin": 0.4, "tries": 50, "restarts": 1000, "cells": 3, "cell_jitter": 0.1,
        },
        "camera": {"position": None, "fov": None, "jitter": 0.5},
        "light_jitter": 1.0, "min_changed_pixels": 100, "picture_format": "png",
        "charts": {
            "min_share": 0.05, "min_pixels": 100, "most_rows": 12, "most_points": 24, "most_slices": 7,
            "most_series": 4, "most_bars": 28, "text_size": 0.027, "bad_tables": ("refuse", "skip"),
        },
        "ready": {"min_side": 28, "most_group_bytes": 384 * 2**20, "min_likeness": 0.15, "unusable": ("drop", "error")},
    },
    "rollout": {
        "save_every": 64, "games_per_part": 2000,
        "truncated_warning": 0.1, "unreadable_warning": 0.1, "repeated_warning": 0.5,
        "vllm": {"startup_seconds": 1800.0}, "server": {"backoff": 1.0},
        "executor": {"kind": "local", "restarts": 3, "startup_seconds": 600.0},
    },
    "score": {"epsilon": 1e-6},
    "train": {"micro_batch": ANY},
    "iterate": {"entropy_warning": 0.3, "opponents": {"power": 2.0, "memory": 0.9}},
    "evaluate": {"confidence": 0.95},
    "init_model": {
        "body": {
            "picture": 72, "patch": 24, "vision_width": 96, "vision_layers": 2, "text_width": 128, "text_layers": 3,
            "head_width": 32, "init_std": 0.08,
        },
        "pairs": 1500, "held_out": 256, "threads": 1,
        "lessons": {"slips": 0.07, "random_votes": 0.3, "abstain": 0.3},
        "batch": 32, "look_weight": 1.0, "stop_at": 0.36, "measure_every": 5, "clip": 1.0, "weight_decay": 0.01,
        "look": dict(zip(_COURSE, (800, 2e-3, 0.0), strict=True)),
        "see": dict(zip(_COURSE, (1300, 1.5e-3, 0.3), strict=True)),
        "vote": dict(zip(_COURSE, (800, 1e-3, 0.5), strict=True)),
        "settle": dict(zip(_COURSE, (80, 5e-4, 0.0), strict=True)),
    },
}  # fmt: skip
# Parts that earlier versions stored even for games without charts or ready pictures.
ONCE_STORED = ("games.charts.", "games.ready.")
# Values that have new names, and a renamed field.
REWARDS = {"paper": "paper", "code": "released-code"}
NO_VARIANCE = {True: "renormalise", False: "keep"}


def modernised(body: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as this version writes them. Removed fields stay if their value is not the one that applies now."""
    body = dict(body)
    score, rows = body.get("score"), body.get("filter")
    if isinstance(score, Mapping) and "rewards" not in score and str(score.get("decision_reward")) in REWARDS:
        rest = {key: value for key, value in score.items() if key != "decision_reward"}
        body["score"] = {**rest, "rewards": REWARDS[score["decision_reward"]]}
    if isinstance(rows, Mapping) and isinstance(rows.get("no_variance"), bool):
        body["filter"] = {**rows, "no_variance": NO_VARIANCE[rows["no_variance"]]}
    return _without(body, REMOVED)


def held_values(held: Any) -> tuple[Any, ...]:
    """The values that a removed field may have: one, or a tuple of values that now mean the same."""
    return held if isinstance(held, tuple) else (held,)


def _without(body: Mapping[str, Any], removed: Mapping[str, Any]) -> dict[str, Any]:
    """`body` without the entries that are also in `removed`, and without sections that become empty."""
    kept = {}
    for key, value in body.items():
        held = removed.get(key, ...)
        if isinstance(value, Mapping) and isinstance(held, Mapping):
            if inner := _without(value, held):
                kept[key] = inner
        elif held is not ANY and value not in held_values(held):
            kept[key] = value
    return kept
