"""From kept rows, rollouts and games to the rows that train, with all checks that need no model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.clock import clock
from stages.core.engines.base import sampler_name
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.game.prompting import Message
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe.engines import NEUTRAL

POLICY = "current"  # the policy in training, as seats name it
OUTSIDE = "outside"  # the phase of rows that are not part of a game
# Numbers among the settings of rollout that training reads.
SAMPLED_WITH = {
    "temperature", "top_p", "max_clue_tokens", "max_vote_tokens", "max_thinking_tokens", "min_clue_tokens",
    "min_vote_tokens", "clue_repetition_penalty", "vote_repetition_penalty",
}  # fmt: skip

_KEPT = [*tables.KEY, "phase", "advantage"]
_ROLLOUTS = [
    *tables.KEY,
    *("policy", "policy_version", "prompt", "images", "prompt_tokens", "prompt_sha256"),
    *("completion_ids", "completion_logprobs", "sampler"),
]
# Columns that are fields of a row under the same name.
_SAME = [*tables.KEY, "phase", "policy_version", "prompt", "prompt_tokens", "prompt_sha256", "completion_ids"]


@dataclass(frozen=True)
class Rules:
    """What the sampler did to the logits of a phase before it divided them by the temperature."""

    min_tokens: int  # the minimum length of an answer
    repetition_penalty: float  # on tokens of the prompt and of the answer so far; 1 for none


@dataclass(frozen=True)
class Row:
    """A completion with its given advantage."""

    source: str  # the folder, for errors
    game_id: str  # outside the game, the prompt's id
    turn: int
    sample: int
    phase: str
    advantage: float  # times `_policy_share`
    policy_version: str
    prompt: list[Message]
    pictures: tuple[Picture, ...]
    prompt_tokens: int
    prompt_sha256: str
    completion_ids: list[int]  # T tokens, the stop token included
    logprobs: list[float]  # T, of the sampler at its temperature, nats
    is_anchor: bool  # of the phase that does not train now: it adds only a KL term
    rules: Rules
    sampler: str | None  # what computed it; None if unknown

    @property
    def is_outside(self) -> bool:
        """Whether it answers a prompt outside the game: it adds only a KL term to the base."""
        return self.phase == OUTSIDE

    @property
    def learns(self) -> bool:
        """Whether it adds a policy term."""
        return not self.is_anchor and not self.is_outside

    @property
    def name(self) -> str:
        """What errors call it."""
        return f"{self.source}: " + (f"prompt '{self.game_id}'" if self.is_outside else _key(vars(self)))


@dataclass(frozen=True)
class Sampling:
    """How the rows were sampled, from the rollouts' manifest."""

    temperature: float
    max_tokens: int  # the longest answer allowed, which dr_grpo divides by
    rules: Mapping[str, Rules]  # by phase
    sampler: str | None  # the recipe's engine, for rows that do not name a sampler


@clock.part("reading rows")
def read_rows(kept: Path, rollouts: Path, games: Path, loss: str) -> list[Row]:
    """The kept rows in their stored order, each joined with its rollout and its pictures. `loss` is `train.loss`.

    Raises `InputError` naming file and row if a kept row is not in the rollouts exactly once, was not played by the
    policy in training, or contains something that cannot train.
    """
    table = kept / "kept.parquet"
    chosen = tables.unique_key(tables.read(table, tables.KEPT, _KEPT), tables.KEY, table)
    played = tables.unique_key(tables.read_parts(rollouts, tables.ROLLOUTS, _ROLLOUTS), tables.KEY, rollouts)
    active, hashes, sampling = _active_phase(kept), picture_hashes(games), sampling_of(rollouts)
    share = _policy_share(chosen, played, kept, active, loss)
    joined = chosen.join(played.with_columns(found=pl.lit(True)), on=tables.KEY, how="left", maintain_order="left")
    found = []
    for row in joined.iter_rows(named=True):
        _check(row, table, rollouts)
        for ref in row["images"]:
            if ref not in hashes and not ref.startswith("blank:"):
                raise InputError(
                    f"{games / 'pairs.parquet'}: has no picture '{ref}', which {_key(row)} shows; wrong --games?"
                )
        same = {name: row[name] for name in _SAME}
        found.append(
            Row(
                source=str(rollouts),
                **same,
                advantage=row["advantage"] * share,
                pictures=tuple(Picture(games, ref, hashes.get(ref)) for ref in row["images"]),
                logprobs=row["completion_logprobs"],
                is_anchor=active is not None and row["phase"] != active,
                rules=sampling.rules[row["phase"]],
                sampler=row["sampler"] or sampling.sampler,
            )
        )
    return found


def _active_phase(kept: Path) -> str | None:
    """The phase that trains while rows of the other phase are anchors; None if all kept rows train."""
    settings = artifact.manifest_of(kept, "filter").get("settings", {})
    anchored = settings.get("filter", {}).get("inactive_phase") == "anchor" and settings.get("phase") != "both"
    return settings["phase"] if anchored else None


def _policy_share(chosen: pl.DataFrame, played: pl.DataFrame, kept: Path, active: str | None, loss: str) -> float:
    """The share of rows (or tokens, if `loss` averages tokens) that is kept. Advantages are multiplied by it.

    The mean of the policy term includes rows that were left out for lack of an advantage, since their terms are 0. The
    mean of the KL term includes only the kept rows.
    """
    rejected = tables.read(kept / "rejected.parquet", tables.REJECTED, [*tables.KEY, "reason"])
    left_out = rejected.filter(pl.col("reason").is_in([tables.NO_VARIANCE, tables.SMALL_ADVANTAGE]))
    trains = chosen if active is None else chosen.filter(pl.col("phase") == active)
    sizes = played.select(*tables.KEY, size=pl.col("completion_ids").list.len() if loss == "dapo" else pl.lit(1))
    trained, silent = (int(sizes.join(rows, on=tables.KEY, how="semi")["size"].sum()) for rows in (trains, left_out))
    return trained / max(1, trained + silent)


def sampling_of(rollouts: Path) -> Sampling:
    """How the rollouts were sampled. Training never takes the temperature from the recipe."""
    manifest = rollouts / artifact.MANIFEST
    settings = artifact.manifest_of(rollouts).get("settings", {})
    rollout = settings.get("rollout", {})
    _check_sampling(manifest, rollout)
    longest = max(int(rollout.get(name, 1)) for name in ("max_clue_tokens", "max_vote_tokens"))
    longest += int(rollout.get("max_thinking_tokens", 0))
    rules = {
        phase: Rules(int(rollout.get(f"min_{what}_tokens", 0)), float(rollout.get(f"{what}_repetition_penalty", 1.0)))
        for phase, what in (("clue", "clue"), ("decision", "vote"))
    }
    engine, dtype = rollout.get("engine"), settings.get("model", {}).get("dtype", "")
    return Sampling(float(rollout["temperature"]), longest, rules, sampler_name(engine, dtype) if engine else None)


def _check_sampling(manifest: Path, rollout: dict[str, Any]) -> None:
    """`InputError` if the rows were sampled from a distribution that training cannot compute."""
    temperature = rollout.get("temperature")
    for name, value in {"temperature": temperature, **rollout}.items():
        if name in SAMPLED_WITH and not isinstance(value, int | float):
            raise InputError(f"{manifest}: lacks settings.rollout.{name}; play the games again with this version")
    assert isinstance(temperature, int | float)
    if temperature <= 0:
        raise InputError(
            f"{manifest}: the rows were sampled greedily (temperature {temperature}), which teaches nothing; "
            "play with --set rollout.temperature above 0"
        )
    if rollout.get("top_p", 1.0) < 1:
        raise InputError(
            f"{manifest}: the rows were sampled with rollout.top_p {rollout['top_p']}: tokens outside the nucleus were "
            "never drawn, so the gradient would be biased; play with --set rollout.top_p=1"
        )
    extra = rollout.get("server", {}).get("extra_body", {}) if rollout.get("engine") == "server" else {}
    for name in sorted(NEUTRAL.keys() & extra.keys()):
        if extra[name] not in (None, *NEUTRAL[name]):
            raise InputError(
                f"{manifest}: the rows were sampled with rollout.server.extra_body.{name} {extra[name]}, "
                "so they do not come from the distribution that trains; play without it"
            )


def _key(row: Mapping[str, Any]) -> str:
    return f"game '{row['game_id']}', turn {row['turn']}, sample {row['sample']}"


def _check(row: dict[str, Any], kept: Path, rollouts: Path) -> None:
    key = _key(row)
    if row["found"] is None:
        raise InputError(f"{kept}: {key} is not in {rollouts}; give the rollouts these rows were scored from")
    if row["policy"] != POLICY:
        raise InputError(
            f"{rollouts}: {key} was played by the policy '{row['policy']}', not by the one in training ('{POLICY}'): "
            "drop these rows from kept, or seat 'current' where you want to train"
        )
    ids, logprobs = row["completion_ids"], row["completion_logprobs"]
    if not ids and not logprobs and row["prompt_sha256"] is None:
        raise InputError(
            f"{rollouts}: {key} was played through a server that gave no token ids, so it cannot train: play with "
            "rollout.engine vllm or transformers, or with a server that gives them (rollout.server.token_ids=require)"
        )
    if not ids or logprobs is None or len(ids) != len(logprobs):
        raise InputError(f"{rollouts}: {key} lacks a log-prob for each of its tokens; play again")
    if not all(map(math.isfinite, logprobs)):
        raise InputError(
            f"{rollouts}: {key} has a log-prob that is not finite, so the weights that played it are broken, mostly by "
            "too high a train.learning_rate: train them again with a lower one (in a run: with --overwrite)"
        )
    if row["advantage"] is None or not math.isfinite(row["advantage"]):
        raise InputError(f"{kept}: {key} has no finite advantage ({row['advantage']}); score again")
