"""A run: rounds of Iterative-SPO in one folder, which the same command takes up again after any kill."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from stages import make_games
from stages.core import artifact, vlm
from stages.core.artifact import Report
from stages.core.engines import Engine, open_engine
from stages.core.errors import InputError
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.recipe.served import is_served
from stages.iterate.evaluation import is_due, judge
from stages.iterate.round import Round
from stages.iterate.run_folder import begin, prune
from stages.iterate.schedule import start
from stages.iterate.state import Metrics, State, read_lines, read_state, record, write_state
from stages.rollout import preflight

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
) -> Report:
    """Rounds until `recipe.iterate.rounds` are done. `games` is a folder of make-games; None makes it in the run.

    `on_preflight(report)` is called before the first, `on_round(metrics, timings)` after each. The same call goes on
    where a killed one stopped; it may ask for more rounds, but another recipe, other games or another base model is
    refused, or with `overwrite` begun anew.
    """
    out = out.resolve()
    inputs = _inputs(recipe, games)
    if overwrite:
        places: dict[str, Path | str] = {"base": place_of(recipe.model.path)} | ({"games": games} if games else {})
        artifact.refuse_to_replace_an_input(out, places)
    with artifact.locked(out), ExitStack() as stack:
        live = engine
        if read_state(out) is None:  # a model that cannot be loaded is named before anything is written
            live = live or stack.enter_context(open_engine(recipe))
            live.load("current", place_of(recipe.model.path), inputs["base"][:12])
        begin(out, recipe, inputs, overwrite)
        state = read_state(out) or State(0, start(recipe.iterate))
        first = state.iteration
        prune(out, recipe, state)  # what a kill may have left
        if first < recipe.iterate.rounds:
            pictures = games or make_games.run(recipe, out / "games", overwrite=overwrite and first == 0).out
            live = live or stack.enter_context(open_engine(recipe))
            if first == 0 and recipe.iterate.preflight:
                _preflight(out, recipe, pictures, live, on_preflight)
            if first == 0 and is_due(recipe, 0):
                judge(out, recipe, pictures, live, 0, place_of(recipe.model.path))
            for number in range(first + 1, recipe.iterate.rounds + 1):
                state = _one_round(Round(out, recipe, pictures, live, number, state), on_round)
        return _report(out, state, "done" if first < state.iteration else "up to date")


def _inputs(recipe: Recipe, games: Path | None) -> dict[str, str]:
    """What a run stands on, as content: its base model, and the games where they were given."""
    if recipe.rollout.temperature == 0:
        raise InputError("rollout.temperature is 0, so all votes of a game are equal and nothing is learned: raise it")
    rollout = recipe.rollout
    if rollout.engine == "server" or is_served(str(recipe.model.path)):
        raise InputError(
            "a policy behind a server cannot be trained: play it with vz rollout, or judge it with evaluate"
        )
    single = rollout.engine == "vllm" and rollout.vllm.weights_at_once == 1 and recipe.model.lora is None
    if single and recipe.evaluate.every > 0:
        raise InputError(
            "rollout.vllm.weights_at_once is 1, but evaluations in the run (evaluate.every) play the policy's full "
            "weights against others: set rollout.vllm.weights_at_once=2, or evaluate.every=0"
        )
    base = place_of(recipe.model.path)
    if vlm.is_adapter(base):
        raise InputError(f"{base}: is an adapter, but a run starts from a whole model: merge it into its base first")
    if games is None:
        return {"base": artifact.content_hash(base), "games": "made by the run"}
    artifact.manifest_of(games, "make-games")
    return {"base": artifact.content_hash(base), "games": artifact.content_hash(games)}


def _preflight(
    out: Path, recipe: Recipe, games: Path, engine: Engine, on_preflight: Callable[[Report], None] | None
) -> None:
    """A few games of the base model, once; `InputError` when nothing can be read."""
    report = preflight.run(
        recipe,
        games,
        out / PREFLIGHT,
        number=recipe.iterate.preflight,
        engine=engine,
        overwrite=True,  # what did not pass may be tried again with other settings
    )
    if on_preflight:
        on_preflight(report)


def _one_round(this: Round, on_round: OnRound | None) -> State:
    after, metrics, timings = this.play()
    if is_due(this.recipe, this.number):
        assert after.checkpoint is not None
        judge(this.run, this.recipe, this.games, this.engine, this.number, this.run / after.checkpoint)
    record(this.run / "metrics.jsonl", metrics)
    record(this.run / "timings.jsonl", timings)
    write_state(this.run, after)
    prune(this.run, this.recipe, after)
    if on_round:
        on_round(metrics, timings)
    return after


def _best(state: State) -> dict[str, float] | None:
    """The policy whose votes were right most often, which is seen in the round after the one that made it."""
    if state.best is None:
        return None
    made = int(state.best["iteration"])
    return {"made in round": made, "played in round": made + 1, "votes right": state.best["vote_accuracy"]}


def _report(out: Path, state: State, status: str) -> Report:
    rounds = read_lines(out / "metrics.jsonl")
    counts = {
        "rounds": state.iteration,
        "updates": state.updates,
        "phases": {phase: sum(row["phase"] == phase for row in rounds) for phase in ("decision", "clue")},
        "checkpoint": state.checkpoint,
        "best": _best(state),
    }
    few = artifact.manifest_of(out / PREFLIGHT)["warnings"] if (out / PREFLIGHT).is_dir() else []
    warnings = [f"preflight: {warning}" for warning in few]
    warnings += [f"round {row['iteration']}: {warning}" for row in rounds for warning in row["warnings"]]
    return Report("iterate", out, status, counts, warnings, {})
