"""From kept rows, rollouts and games to the rows that train, with every check that needs no model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines.base import sampler_name
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.game.prompting import Message
from stages.core.pictures import Picture, picture_hashes
from stages.core.recipe.engines import BENDS

POLICY = "current"  # the policy in training, as seats name it

_KEPT = [*tables.KEY, "phase", "advantage"]
_ROLLOUTS = [
    *tables.KEY,
    "phase",
    "policy",
    "policy_version",
    "prompt",
    "images",
    "prompt_tokens",
    "prompt_sha256",
    "completion_ids",
    "completion_logprobs",
    "sampler",
]


@dataclass(frozen=True)
class Rules:
    """What the sampler did to the logits of a phase before it divided them by the temperature."""

    min_tokens: int  # no answer ends before it has as many
    repetition_penalty: float  # on tokens of the prompt and of the answer so far; 1 for none


@dataclass(frozen=True)
class Row:
    """A completion with its given advantage."""

    game_id: str
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
    is_anchor: bool  # of the phase that does not train now: it has a KL term and nothing else
    rules: Rules
    sampler: str | None  # what computed it; None where nobody noted it down

    @property
    def key(self) -> str:
        return f"game '{self.game_id}', turn {self.turn}, sample {self.sample}"


@dataclass(frozen=True)
class Sampling:
    """How the rows were sampled, as the rollouts' manifest has it."""

    temperature: float
    max_tokens: int  # the longest answer allowed, which dr_grpo divides by
    rules: Mapping[str, Rules]  # by phase
    sampler: str | None  # of rows that do not name theirs: the recipe's engine


def read_rows(kept: Path, rollouts: Path, games: Path, loss: str) -> list[Row]:
    """The kept rows in their stored order, each joined with its rollout and its pictures. `loss` is `train.loss`.

    Raises `InputError` naming file and row when a kept row is not in the rollouts exactly once, was played by another
    policy than the one in training, or holds something that cannot train.
    """
    table = kept / "kept.parquet"
    chosen = tables.unique_key(tables.read(table, tables.KEPT, _KEPT), tables.KEY, table)
    played = tables.unique_key(tables.read_parts(rollouts, tables.ROLLOUTS, _ROLLOUTS), tables.KEY, rollouts)
    active = _active_phase(kept)
    joined = chosen.join(
        played.with_columns(found=pl.lit(True)), on=tables.KEY, how="left", suffix="_played", maintain_order="left"
    )
    share = _policy_share(chosen, played, kept, active, loss)
    joined = joined.with_columns(pl.col("advantage") * share)
    hashes, sampling = picture_hashes(games), sampling_of(rollouts)
    return [_row(row, games, hashes, table, rollouts, active, sampling) for row in joined.iter_rows(named=True)]


def _active_phase(kept: Path) -> str | None:
    """The phase beside which rows of the other are anchors; None where all kept rows train."""
    settings = artifact.manifest_of(kept, "filter").get("settings", {})
    anchored = settings.get("filter", {}).get("inactive_phase") == "anchor" and settings.get("phase") != "both"
    return settings["phase"] if anchored else None


def _policy_share(chosen: pl.DataFrame, played: pl.DataFrame, kept: Path, active: str | None, loss: str) -> float:
    """What the policy term of the kept rows is worth where rows without an advantage were left out.

    Its mean is over those rows too, whose terms are 0, while the KL term is a mean over the rows at hand. So the
    advantages are multiplied by the share of the rows that are kept (of their tokens, where `loss` averages tokens).
    """
    rejected = tables.read(kept / "rejected.parquet", tables.REJECTED, [*tables.KEY, "reason"])
    left_out = rejected.filter(pl.col("reason").is_in([tables.NO_VARIANCE, tables.SMALL_ADVANTAGE]))
    trains = chosen if active is None else chosen.filter(pl.col("phase") == active)
    sizes = played.select(*tables.KEY, size=pl.col("completion_ids").list.len() if loss == "dapo" else pl.lit(1))
    trained, silent = (int(sizes.join(rows, on=tables.KEY, how="semi")["size"].sum()) for rows in (trains, left_out))
    return trained / max(1, trained + silent)


def sampling_of(rollouts: Path) -> Sampling:
    """The rollouts' own sampling: what training must divide the logits by is never taken from the recipe."""
    manifest = rollouts / artifact.MANIFEST
    settings = artifact.manifest_of(rollouts).get("settings", {})
    rollout = settings.get("rollout", {})
    temperature = rollout.get("temperature")
    if not isinstance(temperature, int | float):
        raise InputError(f"{manifest}: names no settings.rollout.temperature; play the games again with this vz")
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
    for name in sorted(BENDS.keys() & extra.keys()):
        if extra[name] not in (None, *BENDS[name]):
            raise InputError(
                f"{manifest}: the rows were sampled with rollout.server.extra_body.{name} {extra[name]}, "
                "so not from the distribution that trains; play without it"
            )
    longest = max(int(rollout.get(name, 1)) for name in ("max_clue_tokens", "max_vote_tokens"))
    longest += int(rollout.get("max_thinking_tokens", 0))
    rules = {
        phase: Rules(int(rollout.get(f"min_{what}_tokens", 0)), float(rollout.get(f"{what}_repetition_penalty", 1.0)))
        for phase, what in (("clue", "clue"), ("decision", "vote"))
    }
    engine, dtype = rollout.get("engine"), settings.get("model", {}).get("dtype", "")
    return Sampling(float(temperature), longest, rules, sampler_name(engine, dtype) if engine else None)


def _row(
    row: dict[str, Any],
    games: Path,
    hashes: dict[str, str],
    kept: Path,
    rollouts: Path,
    active: str | None,
    sampling: Sampling,
) -> Row:
    key = f"game '{row['game_id']}', turn {row['turn']}, sample {row['sample']}"
    _check(row, key, kept, rollouts)
    for ref in row["images"]:
        if ref not in hashes and not ref.startswith("blank:"):
            raise InputError(f"{games / 'pairs.parquet'}: has no picture '{ref}', which {key} shows; wrong --games?")
    return Row(
        row["game_id"],
        row["turn"],
        row["sample"],
        row["phase"],
        row["advantage"],
        row["policy_version"],
        row["prompt"],
        tuple(Picture(games, ref, hashes.get(ref)) for ref in row["images"]),
        row["prompt_tokens"],
        row["prompt_sha256"],
        row["completion_ids"],
        row["completion_logprobs"],
        active is not None and row["phase"] != active,
        sampling.rules[row["phase"]],
        row["sampler"] or sampling.sampler,
    )


def _check(row: dict[str, Any], key: str, kept: Path, rollouts: Path) -> None:
    if row["found"] is None:
        raise InputError(f"{kept}: {key} is not in {rollouts}; give the rollouts these rows were scored from")
    if row["phase"] != row["phase_played"]:
        raise InputError(f"{kept}: {key} is a {row['phase']} row, but {rollouts} has it as {row['phase_played']}")
    if row["policy"] != POLICY:
        raise InputError(
            f"{rollouts}: {key} was played by the policy '{row['policy']}', not by the one in training ('{POLICY}'): "
            "drop such rows from kept, or seat 'current' for what shall train"
        )
    ids, logprobs = row["completion_ids"], row["completion_logprobs"]
    if not ids and not logprobs and row["prompt_sha256"] is None:
        raise InputError(
            f"{rollouts}: {key} was played through a server that gave no token ids, so it cannot train: play with "
            "rollout.engine vllm or transformers, or with a server that gives them (rollout.server.token_ids=require)"
        )
    if not ids or logprobs is None or len(ids) != len(logprobs):
        raise InputError(
            f"{rollouts}: {key} has {len(ids or [])} tokens and {len(logprobs or [])} log-probs; play again"
        )
    if not all(math.isfinite(value) for value in logprobs):
        raise InputError(f"{rollouts}: {key} has a log-prob that is not finite; play again")
    if row["advantage"] is None or not math.isfinite(row["advantage"]):
        raise InputError(f"{kept}: {key} has no finite advantage ({row['advantage']}); score again")
