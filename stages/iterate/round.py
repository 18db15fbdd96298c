"""One round: deal, play, score, filter, train. Each step is an output folder that is whole or not there.

The folders of an unfinished round belong to the run: what does not fit the present settings is made again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean

from stages import filter as filter_stage
from stages import rollout, score, train
from stages.core.clock import clock
from stages.core.engines import Engine
from stages.core.folder.artifact import Report
from stages.core.game.rules import ActivePhase
from stages.core.play.live import completions_of
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.iterate import opponents
from stages.iterate.dealing import deal_games
from stages.iterate.opponents import Records, name_of
from stages.iterate.run_folder import prompts_version
from stages.iterate.schedule import advance
from stages.iterate.state import METRICS, Metrics, State, read_lines

FROM_PLAYING = (
    "completion_tokens", "truncated", "truncated_thoughts", "unreadable_clues", "repeated_clues", "clue_entropy",
    "vote_entropy",
)  # fmt: skip
SLOTS = ("training-state/a", "training-state/b")
LEAST_ENTROPY = 0.3  # share of the first rounds' entropy below which there is a warning
WINDOW = 3  # rounds in an average of entropies, since single rounds are noisy

Reports = Mapping[str, Report]  # of a round's steps


@dataclass(frozen=True)
class Round:
    """A round with what it needs: the run's folder, its recipe and games, a live engine, the state before it.

    Round 0 is what comes before the first: nothing is trained in it.
    """

    run: Path
    recipe: Recipe
    games: Path
    engine: Engine
    number: int
    state: State
    left_out: frozenset[str] = frozenset()  # pairs that cannot be played
    seconds: dict[str, float] = field(default_factory=dict)  # of each step

    @property
    def folder(self) -> Path:
        return self.run / f"round-{self.number:04d}"

    @property
    def base(self) -> str | Path:
        return place_of(self.recipe.model.path)

    @property
    def current(self) -> str | Path:
        return self.run / self.state.checkpoint if self.state.checkpoint else self.base

    def play(self) -> tuple[State, Metrics, Metrics]:
        """The state after the round, its metrics (comparable between runs) and its timings (not comparable)."""
        phase, heldout = self.state.schedule.phase, self.recipe.iterate.signal == "heldout"
        dealt = self._timed("deal", lambda: self._deal("games", "train"))
        if heldout:  # dealt before anything is played, so that missing dev pairs are noticed at once
            self._timed("deal", lambda: self._deal("signal/games", "dev"))
        played = self._timed("rollout", lambda: self._rollout(dealt, "rollouts", "train"))
        scored = self._timed("score", lambda: self._score(played, "scored", phase))
        kept = self._timed("filter", lambda: self._filter(scored, phase))
        signal = self._timed("signal", self._signal) if heldout else scored
        trained = self._timed("train", lambda: self._train(kept, played))
        results = opponents.results(dealt.out, scored.out)
        made = {"rollout": played, "score": scored, "signal": signal, "filter": kept, "train": trained}
        after = self._state_after(made, results)
        metrics = self._metrics(made, after, results)
        rate = played.timings["tokens_per_second"] if played.status == "done" else None
        return after, metrics, {"iteration": self.number, "seconds": self.seconds, "tokens_per_second": rate}

    def _timed(self, step: str, work: Callable[[], Report]) -> Report:
        began = time.monotonic()
        with clock.part(step):
            report = work()
        self.seconds[step] = round(time.monotonic() - began, 3)
        return report

    def _deal(self, name: str, split: str) -> Report:
        trains, settings = split == "train", self.recipe.iterate
        return deal_games(
            self.folder / name,
            self.recipe,
            self.games,
            split=split,
            count=settings.games if trains else settings.signal_games,
            purpose=split,
            iteration=self.number,
            plays=settings.plays_per_game if trains else 1,
            opponents=self._drawn if trains else (),
            left_out=self.left_out,
        )

    @property
    def _drawn(self) -> list[str]:
        return opponents.draw(self.state.opponents, self.recipe, self.number)

    def _rollout(self, dealt: Report, name: str, split: str) -> Report:
        earlier = {name: self.run / name / "checkpoint" for name in self._drawn if name != opponents.BASE}
        report = rollout.run(
            self._with_clue_votes() if split == "train" else self.recipe,
            self.games,
            self.folder / name,
            deal=dealt.out,
            split=split,
            models={opponents.CURRENT: self.current, opponents.BASE: self.base, **earlier},
            engine=self.engine,
            overwrite=True,
        )
        for name in self._drawn:  # others may play in the next round, and training needs the memory
            self.engine.unload(name)
        return report

    def _with_clue_votes(self) -> Recipe:
        """The recipe, with more votes in clue rounds, where they only measure the clues."""
        votes = self.recipe.iterate.clue_votes
        if votes is None or self.state.schedule.phase != "clue":
            return self.recipe
        return self.recipe.model_copy(update={"game": self.recipe.game.model_copy(update={"votes": votes})})

    def _score(self, played: Report, name: str, phase: ActivePhase) -> Report:
        baselines = self.run / name_of(self.number - 1) / "scored/baselines.json" if self.number > 1 else None
        return score.run(self.recipe, played.out, self.folder / name, phase=phase, baselines=baselines, overwrite=True)

    def _filter(self, scored: Report, phase: ActivePhase) -> Report:
        return filter_stage.run(self.recipe, scored.out, self.folder / "kept", phase=phase, overwrite=True)

    def _signal(self) -> Report:
        """acc and na on games of dev pairs, which never train."""
        played = self._rollout(self._deal("signal/games", "dev"), "signal/rollouts", "dev")
        return self._score(played, "signal/scored", "decision")

    def _train(self, kept: Report, played: Report) -> Report:
        self.engine.sleep()
        holds_to_base = self.recipe.train.anchor_to == "base" or self.state.switched is None
        return train.run(
            self.recipe,
            kept.out,
            self.folder / "checkpoint",
            rollouts=played.out,
            games=self.games,
            model=self.current,
            base=self.base,
            anchor=self.base if holds_to_base else self.run / str(self.state.switched),
            state_in=self.run / self.state.training_state if self.state.training_state else None,
            state_out=self.run / self._next_slot,
            planned_updates=planned_updates(self.recipe),
            overwrite=True,
        )

    @property
    def _next_slot(self) -> str:
        return SLOTS[1] if self.state.training_state == SLOTS[0] else SLOTS[0]

    def _state_after(self, made: Reports, results: Records) -> State:
        scored, signal = made["score"].counts, made["signal"].counts
        schedule = advance(self.state.schedule, signal["acc"], signal["na"], self.recipe.iterate)
        checkpoint = str((self.folder / "checkpoint").relative_to(self.run))
        best = self.state.best
        if best is None or scored["vote_accuracy"] > best["vote_accuracy"]:
            best = {"iteration": self.number - 1, "vote_accuracy": scored["vote_accuracy"]}
        pool = opponents.with_results(self.state.opponents, results)
        return replace(
            self.state,
            iteration=self.number,
            schedule=schedule,
            checkpoint=checkpoint,
            switched=checkpoint if schedule.phase != self.state.schedule.phase else self.state.switched,
            training_state=self._next_slot,
            updates=self.state.updates + made["train"].counts["updates"],
            baselines=scored["baselines"],
            best=best,
            opponents=opponents.next_pool(pool, self.recipe.iterate.opponents, self.number),
        )

    def _metrics(self, made: Reports, after: State, results: Records) -> Metrics:
        before = self.state.schedule
        played, scored, signal = (made[step].counts for step in ("rollout", "score", "signal"))
        metrics = {
            "iteration": self.number,
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
            "kept": made["filter"].counts["kept"],
            "rejected": made["filter"].counts["reasons"],
            "train": made["train"].counts,
            "prompts": prompts_version(self.recipe),
            "warnings": [*made["rollout"].warnings, *made["train"].warnings],
        }
        if self.recipe.iterate.opponents.share > 0:
            pool = opponents.with_results(self.state.opponents, results)
            metrics["opponents"] = opponents.metrics_of(pool, results)
        earlier = [row for row in read_lines(self.run / METRICS) if row["iteration"] < self.number]
        metrics["warnings"] += falling_entropy([*earlier, metrics])
        return metrics


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


def planned_updates(recipe: Recipe) -> int | None:
    """Optimizer steps that the schedule spans: of all rounds, each one step or as many as its largest phase fills.

    None if the recipe fixes the number.
    """
    if recipe.train.total_updates is not None:
        return None
    if recipe.train.rows_per_update is None:
        return recipe.iterate.rounds
    clues = recipe.game.players * recipe.game.clue_rounds
    rows = recipe.iterate.games * max(clues, completions_of(recipe.game) - clues)
    return recipe.iterate.rounds * math.ceil(rows / recipe.train.rows_per_update)
