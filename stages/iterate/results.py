"""What a finished round leaves for the run: the state after it, and its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from stages.core.folder.artifact import Report
from stages.iterate import opponents
from stages.iterate.keeping import checkpoint_of, has_weights
from stages.iterate.opponents import Records
from stages.iterate.round import Judged, Round
from stages.iterate.run_folder import prompts_version
from stages.iterate.schedule import advance
from stages.iterate.state import METRICS, Metrics, State, read_lines

FROM_PLAYING = (
    "completion_tokens", "truncated", "truncated_thoughts", "unreadable_clues", "repeated_clues", "clue_entropy",
    "vote_entropy",
)  # fmt: skip
LEAST_ENTROPY = 0.3  # share of the first rounds' entropy below which there is a warning
WINDOW = 3  # rounds in an average of entropies, since single rounds are noisy


def before_training(this: Round, judged: Judged) -> State:
    """The state after the round, as far as its games decide it: all but what training adds (`after_training`)."""
    scored, signal, policy = judged.scored.counts, judged.signal.counts, judged.played.policy
    schedule, best = advance(this.state.schedule, signal["acc"], signal["na"], this.recipe.iterate), this.state.best
    if best is None or scored["vote_accuracy"] > best["vote_accuracy"]:
        best = {"iteration": policy, "vote_accuracy": scored["vote_accuracy"]}
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
    """The round's row of metrics: comparable between runs."""
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
    if this.recipe.iterate.opponents.share > 0:
        results = _results(judged)
        metrics["opponents"] = opponents.metrics_of(opponents.with_results(this.state.opponents, results), results)
    earlier = [row for row in read_lines(this.run / METRICS) if row["iteration"] < this.number]
    metrics["warnings"] += falling_entropy([*earlier, metrics])
    return metrics


def timings_of(this: Round, judged: Judged) -> Metrics:
    """The round's row of timings, which differ from run to run."""
    rollouts = judged.played.rollouts
    rate = rollouts.timings["tokens_per_second"] if rollouts.status == "done" else None
    return {"iteration": this.number, "seconds": this.seconds, "tokens_per_second": rate}


def _results(judged: Judged) -> Records:
    return opponents.results(judged.played.dealt.out, judged.scored.out)


def falling_entropy(rounds: Sequence[Metrics]) -> Iterator[str]:
    """A warning for each entropy whose mean over the last rounds is below LEAST_ENTROPY times that over the first.

    A policy whose answers grow more and more alike explores less, and its votes lose their variance. `rounds` are the
    metrics of all rounds so far. Rounds without log-probs are ignored.
    """
    for what in ("clue", "vote"):
        known = [row[f"{what}_entropy"] for row in rounds if row.get(f"{what}_entropy") is not None]
        if len(known) > WINDOW and (last := fmean(known[-WINDOW:])) < LEAST_ENTROPY * (first := fmean(known[:WINDOW])):
            yield (
                f"the entropy of {what}s has fallen to {last:.2g} nats per token, from {first:.2g} in the first rounds "
                f"({last / first:.0%}): raise train.kl, or lower train.learning_rate"
            )
