"""A page's commands at a size that a test can afford: few small pictures, few games; large models as dry runs."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGE = {"paper", "paper-v1", "released-code", "qwen2.5-vl-7b-lora"}  # recipes whose model is not at hand

# What a test can neither run nor look up, and why.
NOT_RUN = {
    "git": "fetches the project",
    "cd": "follows git clone",
    ".": "activates an environment",
    "apt": "installs system packages",
    "apt-get": "installs system packages",
    "vllm": "serves a model on a GPU",
    "ray": "starts a cluster",
    "hf": "needs the hub",
    "accelerate": "asks questions",
}

SMALL_PICTURES = ["games.width=96", "games.height=64", "games.samples=4", "games.renderer=scalar"]
SMALL = {
    "make-games": ["--pairs", "24"],
    "rollout": [],
    "iterate": ["--rounds", "2"],
    "evaluate": ["--number", "4"],
}
SETTINGS = {
    "make-games": [],
    "rollout": ["rollout.max_clue_tokens=4"],
    "iterate": [
        "games.pairs=24",
        "iterate.games=4",
        "iterate.clue_votes=4",
        "evaluate.games=4",
        "evaluate.transcripts=4",
    ],
    "evaluate": ["evaluate.transcripts=4"],
}


def small(words: list[str]) -> list[str]:
    """The arguments of `vz`, made small."""
    command = words[0]
    recipe = _value_of(words, "--recipe", "-r")
    if command in {"doctor", "recipe"}:
        return words
    settings = list(SETTINGS.get(command, []))
    if command == "make-games" and (recipe in LARGE or "chart" in " ".join(words) or "--tables" in words):
        size = [] if "--tables" in words or "chart" in " ".join(words) else SMALL_PICTURES
        return [*words, "--pairs", "6", *_set(size)]
    if (
        recipe in LARGE
        or command == "init-model"
        or re.search(r"engine=(vllm|server)|executor|https?://", " ".join(words))
    ):
        return [*words, "--dry-run"]
    return [*words, *SMALL.get(command, []), *_set(settings)]


def _set(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def _value_of(words: list[str], *options: str) -> str | None:
    return next((value for option, value in pairwise(words) if option in options), None)


def extras() -> set[str]:
    """The extras that `pip install 'vz-selfplay[…]'` knows."""
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
