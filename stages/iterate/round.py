"""One round: deal, play, score, filter, train. Each step is an output folder that is whole or not there.

The folders of a round that is not finished belong to the run: what does not fit what is asked now is made again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages import filter as filter_stage
from stages import rollout, score, train
from stages.core.engines import Engine
from stages.core.folder.artifact import Report
from stages.core.game.rules import ActivePhase
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.iterate import opponents
from stages.iterate.dealing import deal_games
from stages.iterate.entropy import falling
from stages.iterate.run_folder import prompts_version
from stages.iterate.schedule import advance
from stages.iterate.state import METRICS, Metrics, State, read_lines

FROM_PLAYING = (
    "completion_tokens",
    "truncated",
    "truncated_thoughts",
    "unreadable_clues",
    "repeated_clues",
    "clue_entropy",
    "vote_entropy",
)
SLOTS = ("training-state/a", "training-state/b")


@dataclass(frozen=True)
class Round:
    """What a round needs: the run's folder, its recipe, its pictures and a live engine."""

    run: Path
    recipe: Recipe
    games: Path
    engine: Engine
    number: int
    state: State
    left_out: frozenset[str] = frozenset()  # pairs that cannot be played

    @property
    def folder(self) -> Path:
        return self.run / f"round-{self.number:04d}"

    def play(self) -> tuple[State, Metrics, Metrics]:
        """The state after the round, its metrics (comparable between runs) and its timings (not comparable)."""
        clock = _Clock()
        phase = self.state.schedule.phase
        heldout = self.recipe.iterate.signal == "heldout"
        dealt = clock.time("deal", lambda: self._deal("games", "train", self.recipe.iterate.games))
        if heldout:  # dealt before anything is played, so that missing dev pairs are noticed at once
            clock.time("deal", lambda: self._deal("signal/games", "dev", self.recipe.iterate.signal_games))
        played = clock.time("rollout", lambda: self._rollout(dealt, "rollouts", "train"))
        scored = clock.time("score", lambda: self._score(played, "scored", phase))
        kept = clock.time(
            "filter",
            lambda: filter_stage.run(self.recipe, scored.out, self.folder / "kept", phase=phase, overwrite=True),
        )
        signal = clock.time("signal", self._signal) if heldout else scored
        trained = clock.time("train", lambda: self._train(kept, played))
        met = opponents.results(dealt.out, scored.out)
        after = self._state_after(scored, signal, trained, met)
        metrics = self._metrics(played, scored, signal, kept, trained, after) | self._pool_metrics(met)
        earlier = [row for row in read_lines(self.run / METRICS) if row["iteration"] < self.number]
        metrics["warnings"] += falling([*earlier, metrics])
        return after, metrics, clock.row(self.number, played)

    def _deal(self, name: str, split: str, count: int) -> Report:
        return deal_games(
            self.folder / name,
            self.recipe,
            self.games,
            split=split,
            count=count,
            purpose=split,
            iteration=self.number,
            plays=self.recipe.iterate.plays_per_game if split == "train" else 1,
            opponents=self._lineup if split == "train" else (),
            overwrite=True,
            left_out=self.left_out,
        )

    @property
    def _lineup(self) -> list[str]:
        return opponents.draw(self.state.opponents, self.recipe, self.number)

    def _rollout(self, dealt: Report, name: str, split: str) -> Report:
        earlier = {name: self.run / name / "checkpoint" for name in self._lineup if name != opponents.BASE}
        report = rollout.run(
            self._rules(split),
            self.games,
            self.folder / name,
            deal=dealt.out,
            split=split,
            models={opponents.CURRENT: self.current, opponents.BASE: self.base, **earlier},
            engine=self.engine,
            overwrite=True,
        )
        for name in self._lineup:  # others may play in the next round, and training needs the memory
            self.engine.unload(name)
        return report

    def _rules(self, split: str) -> Recipe:
        """The recipe, with more votes where they measure clues: in clue rounds, not in the held-out signal."""
        recipe, votes = self.recipe, self.recipe.iterate.clue_votes
        if votes is None or self.state.schedule.phase != "clue" or split != "train":
            return recipe
        return recipe.model_copy(update={"game": recipe.game.model_copy(update={"votes": votes})})

    def _score(self, played: Report, name: str, phase: ActivePhase) -> Report:
        before = self.run / f"round-{self.number - 1:04d}" / "scored" / "baselines.json"
        baselines = before if self.number > 1 else None
        return score.run(self.recipe, played.out, self.folder / name, phase=phase, baselines=baselines, overwrite=True)

    def _signal(self) -> Report:
        """acc and na on held-out games: dev pairs, played into a folder of their own, never trained on."""
        dealt = self._deal("signal/games", "dev", self.recipe.iterate.signal_games)
        return self._score(self._rollout(dealt, "signal/rollouts", "dev"), "signal/scored", "decision")

    def _train(self, kept: Report, played: Report) -> Report:
        self.engine.sleep()
        state_in = self.run / self.state.training_state if self.state.training_state else None
        return train.run(
            self.recipe,
            kept.out,
            self.folder / "checkpoint",
            rollouts=played.out,
            games=self.games,
            model=self.current,
            base=self.base,
            anchor=self._anchor,
            state_in=state_in,
            state_out=self.run / self._next_slot(),
            planned_updates=planned_updates(self.recipe),
            overwrite=True,
        )

    @property
    def _anchor(self) -> str | Path:
        """What rows of the phase that does not train hold to."""
        if self.recipe.train.anchor_to == "base" or self.state.switched is None:
            return self.base
        return self.run / self.state.switched

    def _next_slot(self) -> str:
        return SLOTS[1] if self.state.training_state == SLOTS[0] else SLOTS[0]

    @property
    def base(self) -> str | Path:
        return place_of(self.recipe.model.path)

    @property
    def current(self) -> str | Path:
        return self.run / self.state.checkpoint if self.state.checkpoint else self.base

    def _state_after(
        self, scored: Report, signal: Report, trained: Report, met: Mapping[str, opponents.Record]
    ) -> State:
        counts = scored.counts
        schedule = advance(self.state.schedule, signal.counts["acc"], signal.counts["na"], self.recipe.iterate)
        checkpoint = str((self.folder / "checkpoint").relative_to(self.run))
        switches = schedule.phase != self.state.schedule.phase
        best = self.state.best
        if best is None or counts["vote_accuracy"] > best["vote_accuracy"]:
            best = {"iteration": self.number - 1, "vote_accuracy": counts["vote_accuracy"]}
        return self.state.after(
            iteration=self.number,
            schedule=schedule,
            checkpoint=checkpoint,
            switched=checkpoint if switches else self.state.switched,
            training_state=self._next_slot(),
            updates=self.state.updates + trained.counts["updates"],
            baselines=counts["baselines"],
            best=best,
            opponents=opponents.next_pool(self._recorded(met), self.recipe.iterate.opponents, self.number),
        )

    def _recorded(self, met: Mapping[str, opponents.Record]) -> dict[str, opponents.Record]:
        return opponents.recorded(self.state.opponents, met)

    def _pool_metrics(self, met: Mapping[str, opponents.Record]) -> Metrics:
        if self.recipe.iterate.opponents.share == 0:
            return {}
        return {"opponents": opponents.rows(self._recorded(met), met)}

    def _metrics(
        self, played: Report, scored: Report, signal: Report, kept: Report, trained: Report, after: State
    ) -> Metrics:
        before = self.state.schedule
        return {
            "iteration": self.number,
            "phase": before.phase,
            "acc": signal.counts["acc"],
            "na": signal.counts["na"],
            "acc_ema": after.schedule.acc_ema,
            "na_ema": after.schedule.na_ema,
            "dwell": before.dwell + 1,
            "next_phase": after.schedule.phase,
            "batch_acc": scored.counts["acc"],
            "batch_na": scored.counts["na"],
            **{name: value for name, value in scored.counts.items() if name not in {"acc", "na"}},
            **{name: played.counts[name] for name in FROM_PLAYING},
            "kept": kept.counts["kept"],
            "rejected": kept.counts["reasons"],
            "train": trained.counts,
            "prompts": prompts_version(self.recipe),
            "warnings": [*played.warnings, *trained.warnings],
        }


def planned_updates(recipe: Recipe) -> int | None:
    """Optimizer steps that the schedule spans: of all rounds, each one step or as many as its largest phase fills.

    None where the recipe fixes the number.
    """
    if recipe.train.total_updates is not None:
        return None
    if recipe.train.rows_per_update is None:
        return recipe.iterate.rounds
    rules, games = recipe.game, recipe.iterate.games
    votes = rules.votes if rules.voters == "analyst" else (rules.players - 1) * rules.votes_per_civilian
    rows = games * max(votes, rules.players * rules.clue_rounds)
    return recipe.iterate.rounds * math.ceil(rows / recipe.train.rows_per_update)


class _Clock:
    """Seconds of each step."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def time(self, name: str, step: Callable[[], Report]) -> Report:
        began = time.monotonic()
        report = step()
        self._seconds[name] = round(time.monotonic() - began, 3)
        return report

    def row(self, iteration: int, played: Report) -> dict[str, Any]:
        rate = played.timings["tokens_per_second"] if played.status == "done" else None
        return {"iteration": iteration, "seconds": self._seconds, "tokens_per_second": rate}
