"""One round: deal, play, score, filter, train. Each step writes an output folder, which is whole or does not exist.

The folders of an unfinished round belong to the run: those that do not fit the current settings are made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stages import filter as filter_stage
from stages import rollout, score
from stages.core.clock import clock
from stages.core.engines import Engine
from stages.core.folder.artifact import Report
from stages.core.game.rules import ActivePhase
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.iterate import opponents
from stages.iterate.dealing import deal_games
from stages.iterate.guard import answer_guard, is_due
from stages.iterate.keeping import checkpoint_of
from stages.iterate.opponents import BASE, CURRENT, name_of
from stages.iterate.recovery import GUARD
from stages.iterate.state import State


@dataclass(frozen=True)
class Played:
    """The games of a round, and those of its held-out signal, if it has one."""

    dealt: Report
    rollouts: Report
    signal: Report | None
    guard: Report | None  # the policy's answers to the guard set, if they were due
    policy: int  # the round that made the policy that played


@dataclass(frozen=True)
class Judged:
    """The scores of a round's games, and the rows that train."""

    played: Played
    scored: Report
    kept: Report
    signal: Report  # whose accuracy and N/A decide the phase


@dataclass(frozen=True)
class Round:
    """A round and what it needs: the run's folder, recipe and games, a live engine, and the state before the round.

    Round 0 stands for what comes before the first round. It trains nothing.
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
    def is_evaluated(self) -> bool:
        """Whether the policy after the round is evaluated."""
        every = self.recipe.evaluate.every
        return every > 0 and self.number % every == 0

    def play(self, policy: int, weights: str | Path) -> Played:
        """Deal the round's games, and play them with the policy after round `policy`, which is at `weights`."""
        dealt = self.timed("deal", lambda: self._deal("games", "train"))
        heldout = self.recipe.iterate.signal == "heldout"
        dev = self.timed("deal", lambda: self._deal("signal/games", "dev")) if heldout else None  # fails early
        rollouts = self.timed("rollout", lambda: self._rollout(dealt, "rollouts", "train", weights))
        signal = self.timed("signal", lambda: self._rollout(dev, "signal/rollouts", "dev", weights)) if dev else None
        guard = self.timed("guard", lambda: self._guard(weights)) if is_due(self.recipe, self.number) else None
        return Played(dealt, rollouts, signal, guard, policy)

    def judge(self, played: Played) -> Judged:
        """Score the games and choose the rows that train."""
        phase = self.state.schedule.phase
        scored = self.timed("score", lambda: self._score(played.rollouts, "scored", phase))
        kept = self.timed(
            "filter",
            lambda: filter_stage.run(self.recipe, scored.out, self.folder / "kept", phase=phase, overwrite=True),
        )
        if (heldout := played.signal) is None:
            return Judged(played, scored, kept, scored)
        signal = self.timed("signal", lambda: self._score(heldout, "signal/scored", "decision"))
        return Judged(played, scored, kept, signal)

    def timed(self, step: str, work: Callable[[], Report]) -> Report:
        """Run a step, and add up its seconds."""
        began = time.monotonic()
        with clock.part(step):
            report = work()
        self.seconds[step] = round(self.seconds.get(step, 0.0) + time.monotonic() - began, 3)
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

    def _guard(self, weights: str | Path) -> Report:
        return answer_guard(self.folder / GUARD, self.recipe, self.games, weights, self.left_out, self.engine)

    @property
    def _drawn(self) -> list[str]:
        return opponents.draw(self.state.opponents, self.recipe, self.number)

    def _rollout(self, dealt: Report, name: str, split: str, weights: str | Path) -> Report:
        earlier = {name: checkpoint_of(self.run, opponents.number_of(name)) for name in self._drawn if name != BASE}
        report = rollout.run(
            self._with_clue_votes() if split == "train" else self.recipe,
            self.games,
            self.folder / name,
            deal=dealt.out,
            split=split,
            models={CURRENT: weights, BASE: self.base, **earlier},
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
