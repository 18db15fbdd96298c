"""Runs rounds one after another, or each together with the games of the next one (`iterate.play_ahead`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from stages.core.clock import clock
from stages.core.folder.artifact import Report
from stages.core.folder.content import unchanging
from stages.iterate.ahead import meanwhile, player
from stages.iterate.alarms import stop_if_alarmed
from stages.iterate.evaluation import evaluate_if_due
from stages.iterate.keeping import checkpoint_of, is_saved
from stages.iterate.recovery import ResumePoint, find_resume_point
from stages.iterate.results import after_training, before_training, metrics_of, timings_of, with_alarms
from stages.iterate.rollback import plan_if_due, roll_back
from stages.iterate.round import Played, Round
from stages.iterate.run_folder import refuse_edited_files
from stages.iterate.state import Metrics, State, rounds_until
from stages.iterate.timing import breakdown
from stages.iterate.training import Training, open_training, planned_updates


@dataclass(frozen=True)
class Finished:
    """A round whose games are played and whose rows have trained, and what it leaves."""

    round: Round
    state: State
    metrics: Metrics
    timings: Metrics


class Rounds:
    """Plays and trains rounds. Engine and trainer take turns, or work at the same time if the recipe plays ahead."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._ahead: tuple[Round, Played] | None = None  # the next round, if its games are played already

    def finish(self, this: Round) -> Finished:
        """Play the round, unless that was done ahead, and train it."""
        if self._ahead is not None:
            this, played = replace(self._ahead[0], state=this.state), self._ahead[1]
        else:
            played = self._play(this)
        judged = this.judge(played)
        state = before_training(this, judged)
        trained = self._train(this, state)
        after = after_training(this, state, trained, self._ahead[0].number if self._ahead else 0)
        metrics, after = with_alarms(this, metrics_of(this, judged, trained, after), after)
        timings = timings_of(this, judged) | breakdown(clock.lap())
        if this.is_evaluated:
            self._training.sleep()
            evaluate_if_due(this, checkpoint_of(this.run, this.number))
            clock.lap()  # an evaluation is not part of a round; what follows counts towards the next one
        return Finished(this, after, metrics, timings)

    def _play(self, this: Round) -> Played:
        self._training.sleep()
        policy = player(this, self._training)
        return this.play(policy, self._training.policy(policy))

    def _train(self, this: Round, state: State) -> Report:
        """Train the round, and play the next one meanwhile if the recipe says so. `state` is from after the round."""
        ahead, self._ahead = this.recipe.iterate.play_ahead and this.number < this.recipe.iterate.rounds, None
        saved, planned = is_saved(this.number, this.state, state, this.recipe), planned_updates(this.recipe)

        def train() -> Report:
            return self._training.train(this.number, this.state, saved=saved, planned_updates=planned)

        if not ahead:
            this.engine.sleep()
            return this.timed("train", train)
        following = replace(this, number=this.number + 1, state=state, seconds={})
        policy = player(following, self._training)
        weights = self._training.policy(policy)
        with meanwhile(this.engine, lambda: following.play(policy, weights)) as playing:
            trained = this.timed("train", train)
            with clock.part("waiting for the next round's games"):
                self._ahead = following, playing.result()
        return trained


def finish_rounds(
    this: Round, point: ResumePoint, inputs: dict[str, str], end: Callable[[Finished, Training], State]
) -> State:
    """Finish all remaining rounds, and again those that an alarm rolls back. Returns the state after the last."""
    run, recipe = this.run, this.recipe
    while True:
        with open_training(run, recipe, this.games, point) as training, unchanging(this.games):
            clock.start()
            all_rounds = Rounds(training)
            while this.state.iteration < recipe.iterate.rounds:
                refuse_edited_files(run, recipe, inputs)
                so_far = rounds_until(run, this.state.iteration)
                stop_if_alarmed(so_far, recipe.iterate.alarms, run)
                if plan_if_due(run, recipe, so_far, this.state):
                    break
                this = replace(this, number=this.state.iteration + 1, seconds={})
                this = replace(this, state=end(all_rounds.finish(this), training))
            else:
                return this.state
        roll_back(run)
        point = find_resume_point(run, full=False)
        assert point.state is not None  # the run has been rolled back to it
        this = replace(this, state=point.state)
