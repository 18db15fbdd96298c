"""Cross-play: every checkpoint of a run against every other, a table of wins, and Elo ratings."""

from __future__ import annotations

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
from stages.core.vlm.needs import check_models
from stages.evaluate.arena import arena_figures, play_both_sides, read_arena
from stages.evaluate.elo import elo
from stages.evaluate.intervals import CONFIDENCE
from stages.evaluate.stage import deals, held_out_pairs

TABLE = "crossplay.json"
BASE = "base"


def run(
    recipe: Recipe,
    games: Path,
    run_folder: Path,
    out: Path,
    *,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Report:
    """Play the run's base and all checkpoints that it still has against each other: `evaluate.games` a pair of
    policies, half of them with the roles exchanged, on the pairs of `evaluate.split`; all pairs on equal deals."""
    artifact.manifest_of(games, "make-games")
    places = players(recipe, run_folder)

    def make(work: Path) -> Outcome:
        unplayable = frozenset[str]()
        if engine is None:
            unplayable = playable.leave_out(work, recipe, games, held_out_pairs(recipe, games), places.values())
        pairs = held_out_pairs(recipe, games, unplayable)
        dealt = deals(recipe, pairs, "evaluate", recipe.evaluate.games // 2)
        met: dict[tuple[str, str], dict[str, Any]] = {}
        with ExitStack() as stack:
            if engine is None:
                check_models(recipe, places.values())
            live = engine or stack.enter_context(open_engine(recipe))
            for one, other in combinations(places, 2):
                for seat, name in (("current", one), ("opponent", other)):
                    live.load(seat, places[name], artifact.content_hash(places[name])[:12])
                folder = work / f"{one}-{other}"
                folder.mkdir(exist_ok=True)
                play_both_sides(folder, recipe, dealt, pairs, games, live)
                met[one, other] = arena_figures(read_arena(folder, recipe), CONFIDENCE)
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
    """Who plays: `base`, then the kept checkpoints as `round-0006`, …; `InputError` where there is no checkpoint."""
    found = {folder.parent.name: folder for folder in sorted(run_folder.glob("round-*/checkpoint"))}
    if not found:
        raise InputError(
            f"{run_folder}: holds no round-*/checkpoint to play; give the folder of a run, and keep more of its "
            "checkpoints with iterate.keep_every"
        )
    return {BASE: place_of(recipe.model.path), **found}


def table(names: Sequence[str], met: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    """`civilians_win[i][j]`: share won by policy i as the civilians against policy j as the spy; `elo`, base at 0."""
    shares: dict[str, dict[str, float]] = {name: {} for name in names}
    wins: dict[tuple[str, str], float] = {}
    for (one, other), figures in met.items():
        shares[one][other] = figures["as_civilians"]["win_rate"]
        shares[other][one] = 1 - figures["as_spy"]["win_rate"]
        wins[one, other], wins[other, one] = figures["wins"], figures["games"] - figures["wins"]
    games = sum(figures["games"] for figures in met.values())
    return {"games": games, "elo": elo(names, wins), "civilians_win": shares}
