"""The stage: from kept rows to a checkpoint and the training state after it."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.content import version_of
from stages.core.folder.files import read_json, replace_folder, sha256_text, to_json, write_json
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.train import plan
from stages.train.job import Job
from stages.train.launch import check_ready, launch
from stages.train.rows import Row, read_rows
from stages.train.state import STATE, UPDATES, StateInfo, is_whole, read_info

_MEANS = ("loss", "kl", "grad_norm", "entropy", "clip_ratio")
# Of the first update, before the weights change: how far sampler and trainer are apart, and policy and anchors.
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
    state_in: Path | None = None,
    state_out: Path | None = None,
    planned_updates: int | None = None,
    overwrite: bool = False,
) -> Report:
    """Train on the kept rows, each once in stored order, and write a checkpoint to `out`.

    The loss is that of eq. 3 and 6 with the given advantages (`stages.train.loss`).

    `rollouts` and `games` default to the folders that `kept` was made from. `model` is the policy that played the
    rows, and where training starts without `state_in`. `base` is the KL reference in every round. Both default to the
    recipe's model. Kept rows of the phase that does not train are anchors: they add `train.anchor_kl` times their mean
    KL to `anchor` (default: `base`), and nothing else. `state_in` is the training state to continue from. The state
    after goes to `state_out` (default: the sibling `<out>-state`) in one step and before the checkpoint appears, and
    replaces a state that is there. `planned_updates` is the length of the schedule if the recipe fixes none.

    Without rows nothing is trained: the state is carried on and its weights are exported. Raises `InputError` for rows
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
        state_in=str(state_in.resolve()) if state_in else None,
        state_out=str(state_out.absolute().with_name(f".{state_out.name}.partial")),
    )
    call = _Call(job, state_out, {**recipe.settings("model", "train"), "planned_updates": planned_updates})
    call.check_state_places()
    return artifact.produce(
        out,
        stage="train",
        settings=call.settings,
        inputs=call.inputs(),
        make=call.make,
        overwrite=overwrite,
        lost_beside=call.lost_state,
    )


def _policy_of(state: Path | None, recipe: Recipe) -> str | Path:
    """The policy that trains if nobody names it: the recipe's model, or the checkpoint that belongs to the state.

    Its version shows which rows were played by another policy.
    """
    if state is None:
        return recipe.model.path
    info = read_info(state)
    beside = state.with_name(state.name.removesuffix("-state"))
    known = beside != state and (beside / artifact.MANIFEST).is_file()
    if known and artifact.manifest_of(beside, "train")["counts"].get("state") == info.id:
        return beside
    raise InputError(f"{state}: the checkpoint that belongs to this state is not beside it: name it with --model")


@dataclass(frozen=True)
class _Call:
    """One call of the stage."""

    job: Job  # without what depends on the rows
    state_out: Path
    settings: dict[str, Any]

    def inputs(self) -> dict[str, Path | str]:
        job, template = self.job, self.job.recipe.model.chat_template
        found = {name: getattr(job, name) for name in ("kept", "rollouts", "games", "model", "base")}
        if job.anchor != job.base:
            found["anchor"] = job.anchor
        if template is not None:
            found["chat template"] = template
        if job.state_in is not None:  # a state is large; the identity in its state.json covers all it was made from
            found["state"] = f"{job.state_in}/{STATE}"
        return {name: Path(place) if Path(place).exists() else place for name, place in found.items()}

    def check_state_places(self) -> None:
        if self.job.state_in is not None:
            read_info(Path(self.job.state_in))
            if self.state_out.resolve() == Path(self.job.state_in):
                raise InputError(
                    f"{self.state_out}: is the state to continue from, and where the state after would go; a kill in "
                    "between would train the same rows twice: give another --state-out"
                )
        if self.state_out.exists() and not (self.state_out / STATE).is_file():
            raise InputError(f"{self.state_out}: exists and is no training state; give another --state-out")

    def lost_state(self, manifest: artifact.Manifest) -> str | None:
        """What a finished checkpoint lacks without the training state that was written with it."""
        wanted = manifest["counts"]["state"]
        if is_whole(self.state_out, wanted):
            return None
        return f"{self.state_out}: the training state that belongs to the checkpoint ({wanted}) is no longer whole"

    def make(self, out: Path) -> Outcome:
        """Train, and export to `out`. If the export fails, the state stays for the next call."""
        recipe, state = self.job.recipe, Path(self.job.state_out)
        rows = read_rows(Path(self.job.kept), Path(self.job.rollouts), Path(self.job.games), recipe.train.loss)
        version = version_of(self.job.model)
        foreign = [row.policy_version for row in rows if row.policy_version != version]
        job, warnings = self._with_schedule(len(rows), len(foreign))
        if foreign:
            warnings.append(
                f"{len(foreign)} of {len(rows)} rows were played by policy version {foreign[0]}, but {job.model} is "
                f"version {version}: if that is wrong, give the policy that played them as --model"
            )
        if recipe.train.trainer != "stub":
            from stages.train.checks import check

            check_ready(recipe)
            warnings += check(job)
        started = time.monotonic()
        _train(job, rows)
        seconds = round(time.monotonic() - started, 3)
        after, updates = read_info(state), read_json(state / UPDATES)["updates"] if rows else []
        if updates and "plain_rows" in updates[0]:
            warnings.append(f"rows were computed one by one, without sharing prompts: {updates[0]['plain_rows']}")
        _export(job, out, after.updates)
        write_json(out / UPDATES, {"updates": updates})
        replace_folder(state, self.state_out)
        return Outcome(_counts(job, rows, updates, after), warnings, {"training_seconds": seconds})

    def _with_schedule(self, rows: int, off_policy: int) -> tuple[Job, list[str]]:
        """The job with what depends on the rows and on the state before, and warnings about the schedule."""
        job, train, planned = self.job, self.job.recipe.train, self.settings["planned_updates"]
        before = _state_before(job)
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
        start = before.id if before else artifact.content_hash(job.model)
        made_from = [start, artifact.content_hash(job.kept), artifact.content_hash(job.rollouts), self.settings]
        phase = artifact.manifest_of(Path(job.kept)).get("settings", {}).get("phase")
        job = replace(
            job,
            done=done,
            total=total,
            rate_share=train.clue_rate if phase == "clue" else 1.0,
            state_id=sha256_text(to_json(made_from))[:16],
            off_policy=off_policy,
        )
        return job, warnings


def _state_before(job: Job) -> StateInfo | None:
    if job.state_in is None:
        return None
    before, recipe = read_info(Path(job.state_in)), job.recipe
    kind = "full" if recipe.model.lora is None else "lora"
    kind = "stub" if recipe.train.trainer == "stub" else kind
    if before.kind != kind:
        raise InputError(
            f"{job.state_in}: is the state of a '{before.kind}' training, but the recipe trains '{kind}' "
            "(model.lora, train.trainer); continue with the recipe it was made with"
        )
    return before


def _train(job: Job, rows: list[Row]) -> None:
    """Write the state after to `job.state_out`. If an earlier call wrote it and could not export it, use that one.

    A power cut may have damaged that state, since nothing has synced it: every byte is checked.
    """
    if is_whole(Path(job.state_out), job.state_id, full=True):
        return
    shutil.rmtree(job.state_out, ignore_errors=True)
    train = job.recipe.train
    if not rows and job.state_in is not None:
        shutil.copytree(job.state_in, job.state_out)
    elif train.trainer == "stub":
        from stages.train.stub import train_stub

        train_stub(job, rows)
    elif rows and (train.processes > 1 or train.accelerate_config is not None):
        launch(job)
    else:
        from stages.core.processes.inherited import without_launcher
        from stages.train import training

        with without_launcher():
            training.train(job)


def _export(job: Job, out: Path, updates: int) -> None:
    if job.recipe.train.trainer == "stub":
        from stages.train.stub import export_stub

        export_stub(Path(job.state_out), out)
        return
    from stages.train.export import export
    from stages.train.training import library_settings

    with library_settings(job.recipe):
        export(job, out, updates)


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
        # Of the rows one by one, of their trees, and of the batches with their padding.
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
