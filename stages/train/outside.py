"""Rows outside the game: the base's answers to other prompts. Their KL term keeps the policy close to the base."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.core import tables
from stages.core.clock import clock
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.content import version_of
from stages.core.pictures import Picture, picture_hashes
from stages.core.seeds import rng
from stages.train.job import Job
from stages.train.rows import OUTSIDE, Row, Rules, sampling_of

TABLE = "outside.parquet"
# Columns that are fields of a row under the same name.
_SAME = ["policy_version", "prompt", "prompt_tokens", "prompt_sha256", "completion_ids"]


def check_outside(job: Job) -> None:
    """`InputError` for rows without a folder to draw them from, or a folder from which no rows are drawn."""
    number = job.recipe.train.outside_rows
    if number and job.outside is None:
        raise InputError(
            f"train.outside_rows is {number}, but there are no answers to draw from: give a folder made by vz outside "
            "as --outside, or set train.outside_rows=0"
        )
    if job.outside is not None and not number:
        raise InputError(f"{job.outside}: train.outside_rows is 0, so none of its answers would train: raise it")


def outside_counts(rows: list[Row], updates: list[dict[str, Any]]) -> dict[str, Any]:
    """How many rows were added, and their KL before the first update; empty without rows."""
    return {"outside_rows": len(rows), "outside_kl": updates[0].get("outside_kl") if updates else None} if rows else {}


def check_pictures(rows: Sequence[Row], sharded: bool) -> None:
    """`InputError` if processes that share weights cannot look at pictures together."""
    blind = [row for row in rows if not row.pictures] if sharded else []
    if blind and len(blind) < len(rows):
        raise InputError(
            f"{blind[0].name}: shows no picture, but processes that share a model's weights all look at pictures "
            "together: write <image> in each line of outside.texts, or set train.outside_rows=0"
        )


@clock.part("reading rows")
def draw_outside(job: Job, updates: int) -> list[Row]:
    """`train.outside_rows` answers for each of the call's updates, drawn by the update's number in the run."""
    if job.outside is None or not updates:
        return []
    answers, number = _answers(job, Path(job.outside)), job.recipe.train.outside_rows
    if len(answers) < number:
        raise InputError(
            f"{job.outside}: has {len(answers)} answers, but train.outside_rows is {number}: lower it, or make more "
            "with outside.prompts"
        )
    of_updates = range(job.done, job.done + updates)
    return [row for each in of_updates for row in rng(job.recipe.seed, "outside", each).sample(answers, number)]


def _answers(job: Job, folder: Path) -> list[Row]:
    """All answers. `InputError` unless the base gave them, at the temperature at which the policy played."""
    _check(job, folder)
    hashes, games = picture_hashes(Path(job.games)), Path(job.games)
    found = []
    for row in tables.read(folder / TABLE, tables.OUTSIDE).iter_rows(named=True):
        for ref in row["images"]:
            if ref not in hashes:
                raise InputError(
                    f"{folder / TABLE}: prompt '{row['prompt_id']}' shows '{ref}', which is not a picture of {games}; "
                    "make the answers with these games, or name theirs with --games"
                )
        found.append(
            Row(
                source=str(folder),
                game_id=row["prompt_id"],
                turn=0,
                sample=0,
                phase=OUTSIDE,
                advantage=0.0,
                **{name: row[name] for name in _SAME},
                pictures=tuple(Picture(games, ref, hashes[ref]) for ref in row["images"]),
                logprobs=row["completion_logprobs"],
                is_anchor=False,
                rules=Rules(0, 1.0),
                sampler=row["sampler"],
            )
        )
    return found


def _check(job: Job, folder: Path) -> None:
    made = artifact.manifest_of(folder, "outside")
    temperature, wanted = made["settings"]["rollout"]["temperature"], sampling_of(Path(job.rollouts)).temperature
    version = version_of(job.base)
    if made["counts"]["policy_version"] != version:
        raise InputError(
            f"{folder}: its answers are of policy version {made['counts']['policy_version']}, but the base {job.base} "
            f"is version {version}: make them again with vz outside --model {job.base}"
        )
    if temperature != wanted:
        raise InputError(
            f"{folder}: its answers were sampled at temperature {temperature}, but {job.rollouts} at {wanted}: make "
            f"them again with vz outside --set rollout.temperature={wanted}"
        )
