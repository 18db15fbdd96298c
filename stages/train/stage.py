"""The stage: from kept rows to a checkpoint and the training state after it."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.durable import publish
from stages.core.folder.files import read_json, sha256_text, to_json, write_json
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
    out = Path(out)
    artifact.manifest_of(Path(kept), "filter")
    call = _Call(
        recipe,
        Path(kept),
        rollouts or artifact.input_of(artifact.input_of(kept, "scored", "--rollouts"), "rollouts", "--rollouts"),
        games,
        place_of(_policy_of(state_in, recipe) if model is None else model),
        place_of(recipe.model.path if base is None else base),
        place_of(anchor or base or recipe.model.path),
        state_in,
        state_out or out.with_name(f"{out.name}-state"),
        planned_updates,
    )
    call.check_state_places()
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
    """One call of the stage, its defaults resolved."""

    recipe: Recipe
    kept: Path
    rollouts: Path
    given_games: Path | None
    model: str | Path
    base: str | Path
    anchor: str | Path
    state_in: Path | None
    state_out: Path
    planned: int | None

    @property
    def games(self) -> Path:
        return self.given_games or artifact.input_of(self.rollouts, "games", "--games")

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.recipe.settings("model", "train"), "planned_updates": self.planned}

    @property
    def inputs(self) -> dict[str, Path | str]:
        found: dict[str, Path | str] = {
            "kept": self.kept,
            "rollouts": self.rollouts,
            "games": self.games,
            "model": self.model,
            "base": self.base,
        } | ({"anchor": self.anchor} if self.anchor != self.base else {})
        if self.recipe.model.chat_template is not None:
            found["chat template"] = Path(self.recipe.model.chat_template)
        # A state is large; the identity in its state.json covers all that it was made from.
        return found if self.state_in is None else {**found, "state": self.state_in / STATE}

    def check_state_places(self) -> None:
        if self.state_in is not None:
            read_info(self.state_in)
            if os.path.abspath(self.state_in) == os.path.abspath(self.state_out):
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

    def make(self, work: Path) -> Outcome:
        """Train into `work`. An error leaves no half-written state; a whole one stays for the next call."""
        try:
            return self._make(work)
        except BaseException:
            if not (self._state_work / STATE).is_file():
                shutil.rmtree(self._state_work, ignore_errors=True)
            raise

    @property
    def _state_work(self) -> Path:
        return self.state_out.absolute().with_name(f".{self.state_out.name}.partial")

    def _make(self, work: Path) -> Outcome:
        rows = read_rows(self.kept, self.rollouts, self.games, self.recipe.train.loss)
        version = artifact.content_hash(self.model)[:12]
        foreign = [row for row in rows if row.policy_version != version]
        job, warnings = self._job(len(rows), len(foreign), work)
        if foreign:
            warnings.append(
                f"{len(foreign)} of {len(rows)} rows were played by policy version {foreign[0].policy_version}, but "
                f"{self.model} is version {version}: if that is wrong, give the policy that played them as --model"
            )
        if self.recipe.train.trainer != "stub":
            from stages.train.checks import check

            check_ready(self.recipe)
            warnings += check(job)
        started = time.monotonic()
        self._train(job, rows)
        seconds = round(time.monotonic() - started, 3)
        after = read_info(self._state_work)
        updates = read_json(self._state_work / UPDATES)["updates"] if rows else []
        self._export(job, after)
        write_json(work / UPDATES, {"updates": updates})
        publish(self._state_work, self.state_out)
        return Outcome(self._counts(rows, len(foreign), updates, after), warnings, {"training_seconds": seconds})

    def _job(self, rows: int, off_policy: int, work: Path) -> tuple[Job, list[str]]:
        train, before = self.recipe.train, self._state_before()
        updates = len(plan.updates_of(rows, train.rows_per_update))
        done = before.updates if before else 0
        carried = before.total_updates if before else None
        total = plan.total_updates(train.total_updates, self.planned, carried, done, updates)
        estimated = train.total_updates is None and self.planned is not None
        warnings = plan.check_within_schedule(
            total, done, updates, train.schedule, planned=estimated, where=str(self.state_in or self.kept)
        )
        phase = artifact.manifest_of(self.kept).get("settings", {}).get("phase")
        start = before.id if before else artifact.content_hash(self.model)
        made_from = [start, artifact.content_hash(self.kept), artifact.content_hash(self.rollouts), self.settings]
        job = Job(
            recipe=self.recipe,
            kept=str(self.kept.resolve()),
            rollouts=str(self.rollouts.resolve()),
            games=str(self.games.resolve()),
            model=str(self.model),
            base=str(self.base),
            anchor=str(self.anchor),
            state_in=str(self.state_in.resolve()) if self.state_in else None,
            state_out=str(self._state_work),
            out=str(work),
            done=done,
            total=total,
            rate_share=train.clue_rate if phase == "clue" else 1.0,
            state_id=sha256_text(to_json(made_from))[:16],
            off_policy=off_policy,
        )
        return job, warnings

    def _state_before(self) -> StateInfo | None:
        if self.state_in is None:
            return None
        before = read_info(self.state_in)
        full = "full" if self.recipe.model.lora is None else "lora"
        kind = "stub" if self.recipe.train.trainer == "stub" else full
        if before.kind != kind:
            raise InputError(
                f"{self.state_in}: is the state of a '{before.kind}' training, but the recipe trains '{kind}' "
                "(model.lora, train.trainer); continue with the recipe it was made with"
            )
        return before

    def _train(self, job: Job, rows: list[Row]) -> None:
        """Write the state after to `job.state_out`. If an earlier call wrote it and could not export it, use that one.

        A power cut may have damaged that state, since nothing has synced it: every byte is checked.
        """
        if is_whole(self._state_work, job.state_id, full=True):
            return
        shutil.rmtree(self._state_work, ignore_errors=True)
        train = self.recipe.train
        if not rows and job.state_in is not None:
            shutil.copytree(job.state_in, job.state_out)
        elif train.trainer == "stub":
            from stages.train.stub import train_stub

            train_stub(job, rows)
        elif rows and (train.processes > 1 or train.accelerate_config is not None):
            launch(job)
        else:
            from stages.core.processes.inherited import without_launcher
            from stages.train.training import train as train_here

            with without_launcher():
                train_here(job if rows else replace(job, recipe=_one_process(job.recipe)))

    def _export(self, job: Job, after: StateInfo) -> None:
        if self.recipe.train.trainer == "stub":
            from stages.train.stub import export_stub

            export_stub(self._state_work, Path(job.out))
            return
        from stages.train.export import export
        from stages.train.training import library_settings

        with library_settings(self.recipe):
            export(self.recipe, self._state_work, job.model, job.base, Path(job.out), after.updates)

    def _counts(
        self, rows: list[Row], off_policy: int, updates: list[dict[str, Any]], after: StateInfo
    ) -> dict[str, Any]:
        """Rows, updates, and what was measured: means over the updates, None if there were none."""
        phases = Counter(row.phase for row in rows if not row.is_anchor)
        means = {name: sum(each[name] for each in updates) / len(updates) if updates else None for name in _MEANS}
        return {
            "rows": phases.total(),
            "clue_rows": phases["clue"],
            "decision_rows": phases["decision"],
            "anchor_rows": len(rows) - phases.total(),
            "off_policy_rows": off_policy,
            "tokens": sum(each["tokens"] for each in updates),
            "updates": len(updates),
            "run_updates": after.updates,
            "schedule_updates": after.total_updates,
            **means,
            "learning_rate": updates[-1]["learning_rate"] if updates else None,
            **{name: updates[0].get(name) if updates else None for name in _AT_START},
            "processes": self.recipe.train.processes,
            "state": after.id,
        }


def _one_process(recipe: Recipe) -> Recipe:
    train = recipe.train.model_copy(update={"processes": 1, "accelerate_config": None})
    return recipe.model_copy(update={"train": train})
