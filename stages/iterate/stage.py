"""A run: rounds of Iterative-SPO in one folder. After a kill the same command continues it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import polars as pl

from stages import init_model, score, track, train
from stages.core import tables, vlm
from stages.core.engines import Engine, open_engine
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Report
from stages.core.folder.faults import disk_full_is_an_error
from stages.core.folder.files import delete_folder
from stages.core.play import playable
from stages.core.play.folder import PAIR
from stages.core.printing.terminal import say
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.recipe.served import is_served
from stages.core.vlm.needs import check_models
from stages.iterate.ahead import check_apart
from stages.iterate.callbacks import Callback, FinishedRound, call_back, load_callbacks, sample_games
from stages.iterate.evaluation import check_benchmarks, check_splits, evaluate_if_due, room_for_benchmarks
from stages.iterate.guard import answer_at_start
from stages.iterate.keeping import prune
from stages.iterate.outside import answer_outside
from stages.iterate.recovery import LOST, ResumePoint, find_resume_point, go_back
from stages.iterate.rollback import roll_back
from stages.iterate.round import Round
from stages.iterate.rounds import Finished, finish_rounds
from stages.iterate.run_folder import begin, has_begun, has_rounds, inputs_of, own_games
from stages.iterate.schedule import start
from stages.iterate.state import (
    METRICS,
    TIMINGS,
    Metrics,
    State,
    read_lines,
    record,
    write_round,
    write_state,
)
from stages.iterate.training import Training, open_training
from stages.rollout import preflight
from stages.train.accelerate_file import spread_of

PREFLIGHT = "preflight"
OnRound = Callable[[Metrics, Metrics], None]


def run(
    recipe: Recipe,
    out: Path,
    *,
    games: Path | None = None,
    engine: Engine | None = None,
    on_preflight: Callable[[Report], None] | None = None,
    on_round: OnRound | None = None,
    overwrite: bool = False,
    new_prompts: bool = False,
) -> Report:
    """Play rounds until `recipe.iterate.rounds` are done.

    `games` is a folder from make-games; without it, the run makes its own games. `on_preflight(report)` is called
    before the first round, `on_round(metrics, timings)` after each. The same call continues a run where it was killed,
    or after the last round that a power cut left whole. It may ask for more rounds. Other settings, games or base
    models are refused; with `overwrite`, they begin a new run. `new_prompts` accepts prompts that were edited since.
    """
    out = out.resolve()
    callbacks = _check(recipe, games)
    _make_start_model(recipe)
    base = _whole_model(recipe)
    inputs = inputs_of(recipe, base, games)
    if overwrite:
        artifact.refuse_to_replace_an_input(out, {"base": base} | ({"games": games} if games else {}))
    with disk_full_is_an_error(out), artifact.locked(out) as power_was_cut, ExitStack() as stack:
        live, unplayable = engine, None
        if not has_begun(out):  # report what cannot be played, loaded or held, before anything is written
            live = live or stack.enter_context(_engine(recipe, base))
            unplayable = _unplayable(out, recipe, games) if games else None
            live.load("current", base, inputs["base"][:12])
        begin(out, recipe, inputs, overwrite=overwrite, new_prompts=new_prompts)
        full = power_was_cut or overwrite
        point, warnings = _resume(out, recipe, inputs, full=full, overwrite=overwrite)
        state, rounds = point.state or State(0, start(recipe.iterate)), recipe.iterate.rounds
        tracking = stack.enter_context(track.open_tracking(out, recipe.track))
        if point.last:
            tracking.tell(point.last)
        prune(out, recipe, state, point.trained)  # a kill may have left old checkpoints
        if point.last < rounds:
            live = live or stack.enter_context(_engine(recipe, base))
            pictures = (games or own_games(out, recipe, full=full, overwrite=overwrite)).resolve()
            recipe, notes = check_splits(recipe, pictures)
            warnings += _say_now(notes)
            found = _unplayable(out, recipe, pictures) if unplayable is None else unplayable
            left_out = playable.write_list(out, recipe, found, _left_out_before(out))
            this = Round(out, recipe, pictures, live, point.last, state, left_out)
            if point.last == 0:
                _before_round_1(this, on_preflight)
                tracking.tell(0)
            answer_outside(out, recipe, pictures, left_out, full=full, engine=live)
            answer_at_start(out, recipe, pictures, left_out, full=full, engine=live)

            def end(finished: Finished, training: Training) -> State:
                after = _end(finished, training, callbacks, on_round, warnings)
                tracking.tell(after.iteration)
                return after

            state = finish_rounds(this, point, inputs, end)
        elif point.to_repeat:
            pictures = games or own_games(out, recipe, full=full, overwrite=overwrite)
            answer_outside(out, recipe, pictures, _left_out_before(out) or (), full=full)
            with open_training(out, recipe, pictures, point):
                pass  # the state after the last round was not on disk yet
        prune(out, recipe, state, state.iteration)
        done = point.last < state.iteration or point.to_repeat
        warnings += tracking.finish()
        return _report(out, state, "done" if done else "up to date", warnings)


def _make_start_model(recipe: Recipe) -> None:
    """Make the recipe's own start model if its folder is missing. Never replaces a model from the hub."""
    place = recipe.model.path
    if recipe.init_model.language_model is not None and place.count("/") != 1 and not Path(place).exists():
        init_model.run(recipe, Path(place))


def _whole_model(recipe: Recipe) -> str | Path:
    """Where the model is. `InputError` for an adapter."""
    base = place_of(recipe.model.path)
    if vlm.is_adapter(base):
        raise InputError(f"{base}: is an adapter, but a run starts from a whole model: merge it into its base first")
    return base


def _check(recipe: Recipe, games: Path | None) -> dict[str, Callback]:
    """`InputError` for a run that cannot train, or whose inputs it cannot use. Returns its callbacks."""
    if recipe.rollout.temperature == 0:
        raise InputError("rollout.temperature is 0, so all votes of a game are equal and nothing is learned: raise it")
    rollout = recipe.rollout
    if rollout.engine == "server" or is_served(str(recipe.model.path)):
        raise InputError(
            "a policy behind a server cannot be trained: play it with vz rollout, or evaluate it with vz evaluate"
        )
    single = rollout.engine == "vllm" and rollout.vllm.weights_at_once == 1 and recipe.model.lora is None
    if single and recipe.evaluate.every > 0:
        raise InputError(
            "rollout.vllm.weights_at_once is 1, but evaluations in the run (evaluate.every) play the policy's full "
            "weights against others: set rollout.vllm.weights_at_once=2, or evaluate.every=0"
        )
    if recipe.train.accelerate_config is not None:
        spread_of(recipe)
    if games is not None:
        artifact.manifest_of(games, "make-games")
        pairs = tables.read(games / "pairs.parquet", tables.PAIRS, ["pair_id", "modified"])
        playable.check_spy_view(pairs, recipe.game.spy_view)
    score.Rewards.of(recipe.score)
    track.check_ready(recipe.track)
    check_benchmarks(recipe)
    return load_callbacks(recipe)


def _engine(recipe: Recipe, base: str | Path) -> Engine:
    """The run's engine. Errors name what playing or training lacks before games are made or weights are loaded."""
    check_models(recipe, [base], trains=_trains_here(recipe))
    train.check_ready(recipe)
    check_apart(recipe)
    if _trains_here(recipe):
        train.estimate(recipe, place=base).require_fit()
    return open_engine(room_for_benchmarks(recipe))


def _trains_here(recipe: Recipe) -> bool:
    return recipe.train.trainer == "trl"


def _unplayable(out: Path, recipe: Recipe, games: Path) -> pl.DataFrame:
    """The pairs that the run cannot play; see `playable.find_unplayable`."""
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, PAIR)
    return playable.find_unplayable(recipe, games, pairs, [place_of(recipe.model.path)], _left_out_before(out))


def _left_out_before(out: Path) -> frozenset[str] | None:
    """The pairs that a run has left out since its first round; None before that round."""
    return playable.read_list(out) or frozenset() if has_rounds(out) else None


def _resume(
    out: Path, recipe: Recipe, inputs: dict[str, str], *, full: bool, overwrite: bool
) -> tuple[ResumePoint, list[str]]:
    """Where the run resumes, and warnings about what was lost. Prints the warnings."""
    roll_back(out)  # a kill may have interrupted it
    point = find_resume_point(out, full=full)
    if point.state is None and point.reached > 1:  # several rounds would run again; the user decides
        if not overwrite:
            raise InputError(
                f"{point.lost[0]}: {LOST}, and no earlier round has all that the run needs to continue; restore the "
                "file from a copy, choose another --out, or discard the run with --overwrite"
            )
        delete_folder(out)
        begin(out, recipe, inputs, overwrite=True, new_prompts=False)
        point = find_resume_point(out, full=False)
    return point, _say_now(go_back(out, point, full=full))


def _say_now(warnings: list[str]) -> list[str]:
    """Print the warnings at once, and return them."""
    for warning in warnings:
        say(f"warning: {warning}")
    return warnings


def _before_round_1(this: Round, on_preflight: Callable[[Report], None] | None) -> None:
    """Play a few games with the base model (`InputError` if no answer can be read), and evaluate it."""
    if this.recipe.iterate.preflight:
        report = preflight.run(
            this.recipe,
            this.games,
            this.run / PREFLIGHT,
            number=this.recipe.iterate.preflight,
            engine=this.engine,
            left_out=this.left_out,
            overwrite=True,  # a preflight that did not pass may be repeated with other settings
        )
        report.timings.update(_estimated(this, report))
        if on_preflight:
            on_preflight(report)
    evaluate_if_due(this, this.base)


def _estimated(this: Round, report: Report) -> dict[str, float]:
    """Seconds of training and of the run, by the estimate and what the preflight measured."""
    if not _trains_here(this.recipe) or "round_seconds_at_most" not in report.timings:
        return {}
    clue, vote = (report.counts["tokens"][what]["mean"] for what in ("clue", "vote"))
    found = train.estimate(this.recipe, place=this.base)
    return found.after_preflight(report.timings["round_seconds_at_most"], clue, vote)


def _end(
    finished: Finished,
    training: Training,
    callbacks: dict[str, Callback],
    on_round: OnRound | None,
    warnings: list[str],
) -> State:
    """Record a round, delete what is no longer needed, and call `on_round` and the callbacks."""
    this, after, metrics, timings = finished.round, finished.state, finished.metrics, finished.timings
    record(this.run / METRICS, metrics)
    record(this.run / TIMINGS, timings)
    write_round(this.folder, after, metrics)  # now the round is finished
    write_state(this.run, after)
    prune(this.run, this.recipe, after, training.oldest)
    if on_round:
        on_round(metrics, timings)
    if callbacks:
        games = sample_games(this.folder, this.recipe.seed)
        seen = FinishedRound(this.number, metrics, timings, games, this.games, this.run, this.folder)
        warnings += call_back(callbacks, seen)
    return after


def _report(out: Path, state: State, status: str, warnings: list[str]) -> Report:
    rounds, best = read_lines(out / METRICS), None
    if state.best is not None:  # its votes were right most often, which shows in the round after the one that made it
        made = state.best.iteration
        best = {"made in round": made, "played in round": made + 1, "vote accuracy": state.best.vote_accuracy}
    counts = {
        "rounds": state.iteration,
        "updates": state.updates,
        "phases": {phase: sum(row["phase"] == phase for row in rounds) for phase in ("decision", "clue")},
        "checkpoint": state.checkpoint,
        "best": best,
    }
    few = artifact.manifest_of(out / PREFLIGHT)["warnings"] if (out / PREFLIGHT / artifact.MANIFEST).is_file() else []
    warnings = warnings + playable.warning(playable.read_list(out) or (), out)
    warnings += [f"preflight: {warning}" for warning in few]
    warnings += [f"round {row['iteration']}: {warning}" for row in rounds for warning in row["warnings"]]
    return Report("iterate", out, status, counts, warnings + _changes_of_prompts(rounds), {})


def _changes_of_prompts(rounds: Sequence[Metrics]) -> list[str]:
    known = [(row["iteration"], row["prompts"]) for row in rounds if "prompts" in row]
    return [
        f"from round {number} on, other prompts were used ({before} before, {now} since)"
        for (_, before), (number, now) in pairwise(known)
        if before != now
    ]
