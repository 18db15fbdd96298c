"""Cross-play: plays all checkpoints of a run against each other, for a table of wins and Elo ratings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path
from typing import Any

from stages.core.engines import Engine, open_engine
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.play import playable
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_files
from stages.evaluate.arena import arena_figures, play_both_sides
from stages.evaluate.held_out import deals, held_out_pairs, load, unplayable_pairs

TABLE = "crossplay.json"
BASE = "base"
PRIOR = 0.5  # wins added to each side of every pair of players, so that a clean sweep has a finite rating
_STEPS, _CONVERGED = 10_000, 1e-10


def run(
    recipe: Recipe,
    games: Path,
    run_folder: Path,
    out: Path,
    *,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Report:
    """Play the run's base and its kept checkpoints against each other.

    Every two of them play `evaluate.games` games on the pairs of `evaluate.split`, half of them with the roles swapped.
    All play the same deals.
    """
    artifact.manifest_of(games, "make-games")
    places = players(recipe, run_folder)

    def make(work: Path) -> Outcome:
        unplayable = unplayable_pairs(work, recipe, games, places) if engine is None else frozenset[str]()
        pairs = held_out_pairs(recipe, games, unplayable)
        dealt = deals(recipe, pairs, "evaluate", recipe.evaluate.games // 2)
        met: dict[tuple[str, str], dict[str, Any]] = {}
        with ExitStack() as stack:
            live = engine or stack.enter_context(open_engine(recipe))
            for one, other in combinations(places, 2):
                load(live, "current", places[one])
                load(live, "opponent", places[other])
                arena = play_both_sides(work / f"{one}-{other}", recipe, dealt, pairs, games, live)
                met[one, other] = arena_figures(arena)
        figures = table(list(places), met)
        write_json(work / TABLE, figures)
        return Outcome(figures, playable.warning(unplayable, out))

    return artifact.produce(
        out,
        stage="cross-play",
        settings=recipe.settings("model", "game", "rollout", "evaluate"),
        inputs={"games": games, **places, **prompt_files(recipe)},
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def players(recipe: Recipe, run_folder: Path) -> dict[str, str | Path]:
    """The players: `base`, then the checkpoints as `round-0006`, …; `InputError` if the run has no checkpoint."""
    found = {folder.parent.name: folder for folder in sorted(run_folder.glob("round-*/checkpoint"))}
    if not found:
        raise InputError(
            f"{run_folder}: has no round-*/checkpoint to play; give the folder of a run, and keep more checkpoints "
            "with iterate.keep_every"
        )
    return {BASE: place_of(recipe.model.path), **found}


def table(names: Sequence[str], met: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    """`civilians_win[i][j]`: the share of games that i, as the civilians, wins against j, as the spy; `elo`: ratings,
    with base at 0."""
    shares: dict[str, dict[str, float]] = {name: {} for name in names}
    wins: dict[tuple[str, str], float] = {}
    for (one, other), figures in met.items():
        shares[one][other] = figures["as_civilians"]["win_rate"]
        shares[other][one] = 1 - figures["as_spy"]["win_rate"]
        wins[one, other], wins[other, one] = figures["wins"], figures["games"] - figures["wins"]
    games = sum(figures["games"] for figures in met.values())
    return {"games": games, "elo": elo(names, wins), "civilians_win": shares}


def elo(names: Sequence[str], wins: Mapping[tuple[str, str], float]) -> dict[str, float]:
    """Ratings with the first of `names` at 0; `wins[a, b]` is how often a beat b.

    P(a beats b) = 1 / (1 + 10^((R_b − R_a) / 400)), the Bradley–Terry model, fitted by maximum likelihood with Hunter's
    MM algorithm (Ann. Statist. 32, 2004).
    """
    scores = {pair: count + PRIOR for pair, count in wins.items()}
    strength = dict.fromkeys(names, 1.0)
    for _ in range(_STEPS):
        before = dict(strength)
        for name in names:
            own = {pair: count for pair, count in scores.items() if name in pair}
            won = sum(count for (winner, _), count in own.items() if winner == name)
            met = sum(count / (strength[one] + strength[other]) for (one, other), count in own.items())
            strength[name] = won / met if met else 1.0
        mean = math.exp(sum(math.log(value) for value in strength.values()) / len(names))
        strength = {name: value / mean for name, value in strength.items()}
        if max(abs(math.log(strength[name] / before[name])) for name in names) < _CONVERGED:
            break
    return {name: 400 * math.log10(strength[name] / strength[names[0]]) for name in names}
