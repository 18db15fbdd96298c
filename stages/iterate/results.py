"""What a finished round leaves for the run: the state after it, and its metrics."""

from __future__ import annotations

from dataclasses import replace

from stages.core.folder.artifact import Report
from stages.iterate import opponents
from stages.iterate.alarms import adapting, factors_after, raised
from stages.iterate.guard import guard_figures
from stages.iterate.keeping import checkpoint_of, has_weights
from stages.iterate.opponents import Records
from stages.iterate.round import Judged, Round
from stages.iterate.run_folder import prompts_version
from stages.iterate.schedule import advance
from stages.iterate.state import Best, Metrics, State, rounds_until

FROM_PLAYING = (
    "completion_tokens", "truncated", "truncated_thoughts", "unreadable_clues", "repeated_clues", "clue_entropy",
    "vote_entropy",
)  # fmt: skip


def before_training(this: Round, judged: Judged) -> State:
    """The state after the round as its games decide it, without what training adds (`after_training`)."""
    scored, signal, policy = judged.scored.counts, judged.signal.counts, judged.played.policy
    schedule, best = advance(this.state.schedule, signal["acc"], signal["na"], this.recipe.iterate), this.state.best
    if best is None or scored["vote_accuracy"] > best.vote_accuracy:
        best = Best(policy, scored["vote_accuracy"])
    switches = schedule.phase != this.state.schedule.phase
    checkpoint = str(checkpoint_of(this.run, this.number).relative_to(this.run))
    pool = opponents.with_results(this.state.opponents, _results(judged))
    return replace(
        this.state,
        iteration=this.number,
        schedule=schedule,
        switched=checkpoint if switches else this.state.switched,
        baselines=scored["baselines"],
        best=best,
        opponents=opponents.next_pool(pool, this.recipe.iterate.opponents, policy),
        played=0,
    )


def after_training(this: Round, state: State, trained: Report, played: int) -> State:
    """The state after the round. `played` is the round whose games were played meanwhile; 0 if none were."""
    folder = checkpoint_of(this.run, this.number)
    newest = str(folder.relative_to(this.run)) if has_weights(folder) else this.state.checkpoint
    return replace(state, checkpoint=newest, updates=state.updates + trained.counts["updates"], played=played)


def metrics_of(this: Round, judged: Judged, trained: Report, after: State) -> Metrics:
    """The round's row of metrics, which can be compared between runs."""
    before, scored, signal = this.state.schedule, judged.scored.counts, judged.signal.counts
    played = judged.played.rollouts.counts
    metrics = {
        "iteration": this.number,
        "phase": before.phase,
        "acc": signal["acc"],
        "na": signal["na"],
        "acc_ema": after.schedule.acc_ema,
        "na_ema": after.schedule.na_ema,
        "dwell": before.dwell + 1,
        "next_phase": after.schedule.phase,
        "batch_acc": scored["acc"],
        "batch_na": scored["na"],
        **{name: value for name, value in scored.items() if name not in {"acc", "na"}},
        **{name: played[name] for name in FROM_PLAYING},
        "kept": judged.kept.counts["kept"],
        "rejected": judged.kept.counts["reasons"],
        "train": trained.counts,
        "prompts": prompts_version(this.recipe),
        "warnings": [*judged.played.rollouts.warnings, *trained.warnings],
    }
    if this.recipe.iterate.play_ahead:
        metrics["played_by"] = judged.played.policy
    if judged.played.guard is not None:
        metrics["guard"] = guard_figures(this.run, judged.played.guard)
    if this.recipe.iterate.opponents.share > 0:
        results = _results(judged)
        metrics["opponents"] = opponents.metrics_of(opponents.with_results(this.state.opponents, results), results)
    return metrics


def timings_of(this: Round, judged: Judged) -> Metrics:
    """The round's row of timings, which differ from run to run."""
    rollouts = judged.played.rollouts
    rate = rollouts.timings["tokens_per_second"] if rollouts.status == "done" else None
    return {"iteration": this.number, "seconds": this.seconds, "tokens_per_second": rate}


def _results(judged: Judged) -> Records:
    return opponents.results(judged.played.dealt.out, judged.scored.out)


def with_alarms(this: Round, metrics: Metrics, state: State) -> tuple[Metrics, State]:
    """The round's metrics and the state after it, with what the alarms say and change."""
    alarms = this.recipe.iterate.alarms
    earlier = rounds_until(this.run, this.number - 1)
    found = raised([*earlier, metrics], alarms)
    names = adapting(found, earlier, alarms)
    after = replace(state, factors=factors_after(state.factors, names, alarms))
    warnings = [alarm.warning for alarm in found]
    for name in names:
        weight = alarms.all()[name].weight
        warnings.append(f"alarm {name} adapts: from the next round on, train.{weight} × {after.factors[weight]:g}")
    said = {"alarms": list(dict.fromkeys(alarm.name for alarm in found)), "adapted": names, "factors": state.factors}
    return {**metrics, **said, "warnings": metrics["warnings"] + warnings}, after
