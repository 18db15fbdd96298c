"""From dealt games and policies to a folder of rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from stages.core import artifact, tables
from stages.core.artifact import Outcome, Report
from stages.core.engines import Engine, open_engine
from stages.core.play import policies
from stages.core.play_folder import play_folder
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of, prompt_folder
from stages.rollout.deals import choose_split, read_deals
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
    """Play the games that `deal` (default: `games`) holds on the pictures in `games`.

    `split` keeps only games on pairs of that split; None plays all. `models` says where the policies that the seats
    name are found; `current` and `base` default to the recipe's model, any other seat name is itself a folder or hub
    name. A lent `engine` keeps running afterwards.
    """
    artifact.manifest_of(games, "make-games")
    places = {name: _place(recipe, name, models or {}) for name in policies(recipe)}
    inputs: dict[str, Path | str] = {"games": games, "deal": deal or games}
    inputs |= {f"policy {name}": place for name, place in places.items()}
    inputs["prompts"] = prompt_folder(recipe.game.prompts)
    if recipe.model.chat_template is not None:
        inputs["chat template"] = Path(recipe.model.chat_template)

    def make(work: Path) -> Outcome:
        with ExitStack() as stack:
            live = engine or stack.enter_context(open_engine(recipe))
            for name, place in places.items():
                live.load(name, place, artifact.content_hash(place)[:12])
            return _play(recipe, games, deal or games, split, work, live)

    return artifact.produce(
        out,
        stage="rollout",
        settings={**recipe.settings("model", "game", "rollout"), "split": split},
        inputs=inputs,
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def _place(recipe: Recipe, policy: str, models: Mapping[str, str | Path]) -> str | Path:
    if policy in models:
        return models[policy]
    return place_of(recipe.model.path if policy in {"current", "base"} else policy)


def _play(recipe: Recipe, games: Path, deal: Path, split: str | None, work: Path, engine: Engine) -> Outcome:
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS)
    deals = choose_split(read_deals(deal / "games.parquet", recipe.game), pairs, split)
    played = play_folder(work, recipe, deals, pairs, games, engine)
    outcome = summarise(work, recipe.rollout)
    outcome.counts["finished_before"] = played.before
    outcome.timings |= played.timings()
    return outcome
