"""Plays dealt games and writes a folder of rollouts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine, open_engine
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.content import known_as, version_of
from stages.core.play import playable
from stages.core.play.folder import PAIR, play_folder
from stages.core.play.game import policies
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_files
from stages.core.vlm.needs import check_models
from stages.rollout.deals import choose_split, read_deals, read_seats
from stages.rollout.summary import summarise


def run(
    recipe: Recipe,
    games: Path,
    out: Path,
    *,
    deal: Path | None = None,
    split: str | None = "train",
    models: Mapping[str, str | Path] | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Report:
    """Play the games of `deal` (default: `games`) on the pictures in `games`.

    `split` keeps only games on pairs of that split; None plays all. The recipe's `rollout.seats` says which policy
    plays which role, or the deal's `seats.parquet` says so for each game. `models` maps policies to folders, hub names
    or addresses; `current` and `base` default to the recipe's model, and any other policy is such a place itself. A
    lent `engine` keeps running.
    """
    artifact.manifest_of(games, "make-games")
    seats = read_seats(deal or games)
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, [*PAIR, "split"])
    dealt = read_deals((deal or games) / "games.parquet", recipe.game)
    deals = choose_split(dealt, pairs, split)
    others = dealt["pair_id"].n_unique() - deals["pair_id"].n_unique()

    def play(work: Path, live: Engine, left_out: Collection[str]) -> Outcome:
        chosen = deals.filter(~pl.col("pair_id").is_in(list(left_out)))
        played = play_folder(work, recipe, chosen, pairs, games, live, seats_of=seats)
        outcome = summarise(work)
        outcome.counts |= {"finished_before": played.before, "pairs_of_other_splits": others}
        outcome.timings |= played.timings()
        return outcome

    return produce(
        recipe,
        games,
        out,
        pairs.join(deals, on="pair_id", how="semi", maintain_order="left"),
        play,
        players=policies(recipe, seats.values()),
        inputs={"deal": deal or games},
        settings={"split": split},
        models=models,
        engine=engine,
        overwrite=overwrite,
    )


def produce(
    recipe: Recipe,
    games: Path,
    out: Path,
    pairs: pl.DataFrame,
    play: Callable[[Path, Engine, Collection[str]], Outcome],
    *,
    players: Iterable[str],
    inputs: Mapping[str, Path | str],
    settings: artifact.Settings,
    models: Mapping[str, str | Path] | None,
    engine: Engine | None,
    overwrite: bool,
) -> Report:
    """Write a folder of rollouts with `play(work_folder, engine, left_out)`, with the policies `players` loaded.

    First refuses or leaves out those of `pairs` that the policies cannot play (`playable.leave_out`). A caller that
    lends an engine has done so already.
    """
    places = {name: _place(recipe, name, models or {}) for name in players}
    read = {
        "games": games,
        **inputs,
        **{f"policy {known_as(name)}": place for name, place in places.items()},
        **prompt_files(recipe),
    }

    def make(work: Path) -> Outcome:
        left_out = frozenset[str]()
        if engine is None:
            check_models(recipe, places.values())
            left_out = playable.leave_out(work, recipe, games, pairs, places.values())
        with ExitStack() as stack:
            live = engine or stack.enter_context(open_engine(recipe))
            for name, place in places.items():
                live.load(name, place, version_of(place))
            outcome = play(work, live, left_out)
        if engine is None or settings.get("preflight"):
            outcome.warnings += playable.foreign(games, pairs, places.values())
        outcome.counts["unplayable_pairs"] = len(left_out)
        outcome.warnings += playable.warning(left_out, out)
        return outcome

    return artifact.produce(
        out,
        stage="rollout",
        settings={**_settings(recipe), **settings},
        inputs=read,
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def _settings(recipe: Recipe) -> dict[str, Any]:
    """The settings that decide the rollouts. Policies in the seats count by content, not by path."""
    body = recipe.settings("model", "game", "rollout")
    seats = {role: known_as(name) for role, name in body["rollout"]["seats"].items()}
    return {**body, "rollout": {**body["rollout"], "seats": seats}}


def _place(recipe: Recipe, policy: str, models: Mapping[str, str | Path]) -> str | Path:
    if policy in models:
        return models[policy]
    return place_of(recipe.model.path if policy in {"current", "base"} else policy)
