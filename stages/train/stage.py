"""The stage: from kept rows to a checkpoint and its training state."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.content import content_hash, version_of
from stages.core.folder.files import read_json, sha256_text, to_json, write_json
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.train import plan
from stages.train.job import Job
from stages.train.live import Trainer, open_trainer
from stages.train.outside import check_outside, draw_outside, outside_counts
from stages.train.rows import Row, read_rows
from stages.train.state import STATE, UPDATES, StateInfo, Trained, is_whole, read_info, read_info_of

_MEANS = ("loss", "kl", "grad_norm", "entropy", "clip_ratio")
# Of the first update, before the weights change: the gaps between sampler and trainer, and between policy and anchors.
_AT_START = (
    *("logprob_gap_mean", "logprob_gap_tail", "logprob_gap_max"),
    *("capped_tokens", "effective_tokens", "effective_rows", "anchor_kl"),
)


def run(
    recipe: Recipe,
    kept: Path,
    out: Path,
    *,
    rollouts: Path | None = None,
    games: Path | None = None,
    model: str | Path | None = None,
    base: str | Path | None = None,
    anchor: str | Path | None = None,
    outside: Path | None = None,
    state_in: Path | None = None,
    state_out: Path | None = None,
    planned_updates: int | None = None,
    trainer: Trainer | None = None,
    handover: Path | None = None,
    played_before: bool = False,
    overwrite: bool = False,
) -> Report:
    """Train on the kept rows, each once in stored order, and write a checkpoint to `out`.

    The loss is eq. 3 and 6 with the given advantages (`stages.train.loss`).

    `rollouts` and `games` default to the folders that `kept` was made from. `model` is the policy that played the
    rows. Training starts from it if there is no `state_in`. `base` is the KL reference in every round. Both default to
    the recipe's model. Kept rows of the phase that does not train are anchors: they add `train.anchor_kl` times their
    mean KL to `anchor` (default: `base`), and nothing else. `outside` is a folder of the base's answers to prompts
    outside the game, of which each update adds `train.outside_rows`. `state_in` is the training state to continue from.
    The new state goes to `state_out` (default: the sibling `<out>-state`), in one step and before the checkpoint
    appears. It replaces an existing state. `planned_updates` is the length of the schedule if the recipe fixes none.

    A caller may lend a live `trainer` (`open_trainer`). If it holds the state that belongs to `model`, nothing is
    loaded, and `state_in` need not be on disk. The new state stays in the trainer, and is written in the background.
    With `handover`, the state is not written, and full weights go to that folder for the engine, instead of to `out`:
    they are neither hashed nor synced, and replace the folder's content in one step. Everything else is the same with
    and without a trainer. A finished output is up to date only as long as its state is on disk or in the trainer.

    `played_before` says that an earlier policy played the rows on purpose. Otherwise such rows get a warning.

    Without rows nothing trains: the state stays the same, and its weights are exported. Raises `InputError` for rows
    that do not belong together or to the model, before any update.
    """
    out, state_out = Path(out), state_out or Path(f"{out}-state")
    artifact.manifest_of(Path(kept), "filter")
    rollouts = rollouts or artifact.input_of(artifact.input_of(kept, "scored", "--rollouts"), "rollouts", "--rollouts")
    job = Job(
        recipe=recipe,
        kept=str(Path(kept).resolve()),
        rollouts=str(rollouts.resolve()),
        games=str((games or artifact.input_of(rollouts, "games", "--games")).resolve()),
        model=str(place_of(_policy_of(state_in, recipe) if model is None else model)),
        base=str(place_of(recipe.model.path if base is None else base)),
        anchor=str(place_of(anchor or base or recipe.model.path)),
        outside=str(outside.resolve()) if outside else None,
        state_in=str(state_in.resolve()) if state_in else None,
        state_out=None if handover else str(state_out.resolve()),
        handover=str(handover.absolute()) if handover else None,
        in_background=trainer is not None,
        played_before=played_before,
    )
    call = _Call(job, trainer, state_out, {**recipe.settings("model", "train"), "planned_updates": planned_updates})
    call.check()
    return artifact.produce(
        out,
        stage="train",
        settings=call.settings,
        inputs=call.inputs,
        make=call.make,
        overwrite=overwrite,
        lost_beside=call.lost_state,
    )


def _policy_of(state: Path | None, recipe: Recipe) -> str | Path:
    """The policy that trains by default: the recipe's model, or the checkpoint that belongs to the state.

    Its version shows which rows were played by another policy.
    """
    if state is None:
        return recipe.model.path
    info = read_info(state)
    beside = state.with_name(state.name.removesuffix("-state"))
    known = beside != state and (beside / artifact.MANIFEST).is_file()
    if known and artifact.manifest_of(beside, "train")["counts"].get("state") == info.id:
        return beside
    raise InputError(f"{state}: the checkpoint that belongs to this state is not next to it: name it with --model")


@dataclass(frozen=True)
class _Call:
    """One call of the stage."""

    job: Job  # without what depends on the rows
    trainer: Trainer | None  # that the caller lends
    state_out: Path
    settings: dict[str, Any]

    def check(self) -> None:
        job, before, lent = self.job, self.before, self.trainer
        check_outside(job)
        if lent is not None and (lent.recipe.model, lent.recipe.seed) != (job.recipe.model, job.recipe.seed):
            raise ValueError("the trainer was opened for another model or seed")
        kind = "stub" if job.recipe.train.trainer == "stub" else "full" if job.recipe.model.lora is None else "lora"
        if before is not None and before.kind != kind:
            raise InputError(
                f"{job.state_in}: is the state of a '{before.kind}' training, but the recipe trains '{kind}' "
                "(model.lora, train.trainer); continue with the recipe it was made with"
            )
        if job.state_in is not None and job.state_in == job.state_out:
            raise InputError(
                f"{self.state_out}: is the state to continue from, so the new state cannot go there: after a kill, the "
                "same rows could train twice; give another --state-out"
            )
        if self.state_out.exists() and not (self.state_out / STATE).is_file():
            raise InputError(f"{self.state_out}: exists and is not a training state; give another --state-out")

    @cached_property
    def before(self) -> StateInfo | None:
        """The state that training starts from: the model's, if the trainer knows it. Otherwise the one on disk."""
        job, trainer = self.job, self.trainer
        if job.state_in is None:
            return None
        wanted = None if trainer is None else _state_of(job.model)
        if trainer is None or wanted is None:
            return read_info(Path(job.state_in))
        return trainer.known.get(wanted) or read_info_of(Path(job.state_in), wanted, job.model)

    @cached_property
    def inputs(self) -> dict[str, Path | str]:
        job, template = self.job, self.job.recipe.model.chat_template
        found = {name: getattr(job, name) for name in ("kept", "rollouts", "games", "model", "base")}
        if job.anchor != job.base:
            found["anchor"] = job.anchor
        if template is not None:
            found["chat template"] = template
        if job.outside is not None:
            found["outside"] = job.outside
        if self.before is not None:  # it may be large, or only in memory; its id covers all it was made from
            found["state"] = f"state {self.before.id}"
        return {name: Path(place) if Path(place).exists() else place for name, place in found.items()}

    def lost_state(self, manifest: artifact.Manifest) -> str | None:
        """What a finished checkpoint has lost of what was written with it, apart from its own files."""
        wanted, handover = manifest["counts"]["state"], self.job.handover
        if self.job.recipe.model.lora is None:
            if handover is None and manifest["outputs"].keys() <= {UPDATES}:
                return f"{self.job.out}: its weights were handed over to an engine"
            if handover is not None and version_of(handover) != wanted:
                return f"{handover}: does not hold the weights that belong to the checkpoint"
        if is_whole(self.state_out, wanted) or (self.trainer is not None and self.trainer.state_id == wanted):
            return None
        return f"{self.state_out}: the training state that belongs to the checkpoint ({wanted}) is no longer whole"

    def make(self, out: Path) -> Outcome:
        """Train, and export to `out`. If the export fails, the state stays for the next call."""
        recipe = self.job.recipe
        rows = read_rows(Path(self.job.kept), Path(self.job.rollouts), Path(self.job.games), recipe.train.loss)
        version = version_of(self.job.model)
        foreign = [row.policy_version for row in rows if row.policy_version != version]
        job, warnings = self._with_rows(out, len(rows), len(foreign))
        if foreign and not self.job.played_before:
            warnings.append(
                f"{len(foreign)} of {len(rows)} rows were played by policy version {foreign[0]}, but {job.model} is "
                f"version {version}: if that is wrong, give the policy that played them as --model"
            )
        outside = draw_outside(job, len(plan.updates_of(len(rows), recipe.train.rows_per_update)))
        with self._trainer_to_use() as trainer:
            warnings += trainer.check(job)
            started = time.monotonic()
            trained = _train(trainer, job, [*rows, *outside])
            seconds = round(time.monotonic() - started, 3)
        updates = trained.updates if rows else []
        if updates and "plain_rows" in updates[0]:
            warnings.append(f"rows were computed one by one, without sharing prompts: {updates[0]['plain_rows']}")
        write_json(out / UPDATES, {"updates": updates})
        counts = _counts(job, rows, updates, trained.info) | outside_counts(outside, updates)
        return Outcome(counts, warnings, {"training_seconds": seconds}, identity=trained.info.id)

    def _trainer_to_use(self) -> AbstractContextManager[Trainer]:
        return nullcontext(self.trainer) if self.trainer is not None else open_trainer(self.job.recipe)

    def _with_rows(self, out: Path, rows: int, off_policy: int) -> tuple[Job, list[str]]:
        """The job with what depends on the rows and on the state before, and warnings about the schedule."""
        job, train, planned, before = self.job, self.job.recipe.train, self.settings["planned_updates"], self.before
        updates = len(plan.updates_of(rows, train.rows_per_update))
        done = before.updates if before else 0
        carried = before.total_updates if before else None
        total = plan.total_updates(train.total_updates, planned, carried, done, updates)
        warnings = plan.check_within_schedule(
            total,
            done,
            updates,
            train,
            planned=train.total_updates is None and planned is not None,
            where=job.state_in or job.kept,
        )
        state_id = before.id if before and not rows else self._lineage()
        fresh = sha256_text(f"start {content_hash(job.model)}")[:16] if rows else state_id
        phase = _settings_of(job.kept).get("phase")
        job = replace(
            job,
            out=str(out),
            done=done,
            total=total,
            rate_share=train.clue_rate if phase == "clue" else 1.0,
            start=before.id if before else fresh,
            state_id=state_id,
            off_policy=off_policy,
        )
        return job, warnings

    def _lineage(self) -> str:
        """The id of the new state: a hash of everything that it is made from."""
        hashes = {name: content_hash(place) for name, place in self.inputs.items()}
        made_from = [hashes, _settings_of(self.job.kept), _settings_of(self.job.rollouts), self.settings]
        return sha256_text(to_json(made_from))[:16]


def _train(trainer: Trainer, job: Job, rows: list[Row]) -> Trained:
    """The new state. If an earlier call wrote it but could not export it, it is loaded, and every byte is checked.

    A power cut or the disk may have damaged it. A trainer that holds the previous state trains again: other things
    that it would have to load, such as the processor, may be nowhere (`iterate.save_every`).
    """
    if job.state_out is not None and not trainer.holds(job) and is_whole(Path(job.state_out), job.state_id, full=True):
        job, rows = replace(job, state_in=job.state_out, state_out=None, start=job.state_id), []
    return trainer.train(job, rows)


def _state_of(model: str) -> str | None:
    """The id of the training state that belongs to a checkpoint; None for other models."""
    manifest = Path(model) / artifact.MANIFEST
    counts = read_json(manifest).get("counts", {}) if manifest.is_file() else {}
    return counts.get("state")


def _settings_of(folder: str) -> dict[str, Any]:
    settings: dict[str, Any] = artifact.manifest_of(Path(folder)).get("settings", {})
    return settings


def _counts(job: Job, rows: list[Row], updates: list[dict[str, Any]], after: StateInfo) -> dict[str, Any]:
    """Rows, updates, and what was measured: means over the updates, None if there were none."""
    phases = Counter(row.phase for row in rows if not row.is_anchor)
    means = {name: sum(each[name] for each in updates) / len(updates) if updates else None for name in _MEANS}
    return {
        "rows": phases.total(),
        "clue_rows": phases["clue"],
        "decision_rows": phases["decision"],
        "anchor_rows": len(rows) - phases.total(),
        "off_policy_rows": job.off_policy,
        "tokens": sum(each["tokens"] for each in updates),
        # Of single rows, of their trees, and of the batches with padding.
        **{name: sum(each.get(name, 0) for each in updates) for name in ("row_tokens", "tree_tokens", "batch_tokens")},
        "updates": len(updates),
        "run_updates": after.updates,
        "schedule_updates": after.total_updates,
        **means,
        "learning_rate": updates[-1]["learning_rate"] if updates else None,
        **{name: updates[0].get(name) if updates else None for name in _AT_START},
        "processes": job.recipe.train.processes,
        "state": after.id,
    }
