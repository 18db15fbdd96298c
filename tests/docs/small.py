"""A page's commands at a size that a test can afford: few small pictures, few games; large models as dry runs."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path

from stages.make_games.ready.hub import NAME as HUB

ROOT = Path(__file__).resolve().parents[2]
LARGE = {"paper", "paper-v1", "released-code", "lora", "qlora"}  # recipes whose model is not at hand

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
    "trackio": "shows a page until it is stopped",
    "tensorboard": "shows a page until it is stopped",
    "accelerate": "asks questions",
    "export": "sets a variable of the shell",
}

QUICK = ["games.samples=1", "games.quality=draft", "games.renderer=scalar"]
FEW = ["iterate.games=4", "iterate.clue_votes=4", "evaluate.games=4", "evaluate.transcripts=4", "evaluate.questions=8"]
SMALL = {
    "make-games": (["--pairs", "24"], QUICK),
    "rollout": ([], ["rollout.max_clue_tokens=4"]),
    "iterate": (["--rounds", "2"], ["games.pairs=24", *QUICK, *FEW, "iterate.preflight=0", "evaluate.every=0"]),
    "evaluate": (["--number", "4"], FEW),
}
NOT_AT_HAND = re.compile(r"engine=(vllm|server)|executor|https?://")


def small(words: list[str]) -> list[str]:
    """The arguments of `vz`, made small."""
    if not words:  # vz alone
        return words
    command, recipe = words[0], _value_of(words, "--recipe", "-r")
    if command in {"doctor", "recipe"}:
        return words
    if command in {"join", "view"} or any(HUB.fullmatch(word) for word in words):  # wait for others, or need the hub
        return [*words, "--help"]
    if command == "make-games" and {"--tables", "games.domain=chart"} & set(words):
        return [*words, "--pairs", "6"]
    if command == "make-games" and recipe in LARGE:
        return [*words, "--pairs", "6", *_set([*QUICK, "games.width=96", "games.height=64"])]
    if recipe in LARGE or command in {"init-model", "benchmark"} or NOT_AT_HAND.search(" ".join(words)):
        return [*words, "--dry-run"]
    options, settings = SMALL.get(command, ([], []))
    return [*words, *options, *_set(settings)]


def _set(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def _value_of(words: list[str], *options: str) -> str | None:
    return next((value for option, value in pairwise(words) if option in options), None)


def extras() -> set[str]:
    """The extras that `pip install 'vz-selfplay[…]'` knows."""
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
