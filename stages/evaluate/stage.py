"""From a policy, an opponent and held-out pairs to win rates: each deal is played with the roles both ways round."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import artifact, tables
from stages.core.artifact import Outcome, Report
from stages.core.engines import Engine, open_engine
from stages.core.errors import InputError
from stages.core.files import write_json
from stages.core.game.rules import Deal, deal
from stages.core.play_folder import play_folder
from stages.core.recipe import Recipe
from stages.core.recipe.load import place_of
from stages.core.recipe.rollout import Seats
from stages.core.seeds import derive
from stages.core.votes import count_votes, judge_games
from stages.evaluate.intervals import wilson

# The analyst plays on the civilians' side. A side's name is the role of the policy that is judged.
SIDES = {
    "civilians": Seats(civilian="current", analyst="current", spy="opponent"),
    "spy": Seats(civilian="opponent", analyst="opponent", spy="current"),
}


def run(
    recipe: Recipe,
    games: Path,
    out: Path,
    *,
    model: str | Path | None = None,
    opponent: str | Path | None = None,
    engine: Engine | None = None,
    overwrite: bool = False,
) -> Report:
    """Play `evaluate.games` games, half of them with `model` as the civilians, half with it as the spy, on equal deals.

    A game is won by the civilians when the spy alone has the most votes (N/A counts as a choice), else by the spy.
    """
    artifact.manifest_of(games, "make-games")
    against = opponent or (recipe.model.path if recipe.evaluate.opponent == "base" else recipe.evaluate.opponent)
    places = {"current": place_of(model or recipe.model.path), "opponent": place_of(against)}

    def make(work: Path) -> Outcome:
        pairs = tables.read(games / "pairs.parquet", tables.PAIRS)
        deals = _deals(recipe, pairs, games)
        with ExitStack() as stack:
            live = engine or stack.enter_context(open_engine(recipe))
            for name, place in places.items():
                live.load(name, place, artifact.content_hash(place)[:12])
            for side, seats in SIDES.items():
                (work / side).mkdir(exist_ok=True)
                play_folder(work / side, recipe, deals, pairs, games, live, seats=seats, title=f"as {side}")
        figures = _figures(recipe, work)
        write_json(work / "evaluation.json", figures)
        itself = ["the policy plays against itself: name another as --model or --opponent"]
        return Outcome(figures, itself if places["current"] == places["opponent"] else [])

    return artifact.produce(
        out,
        stage="evaluate",
        settings=recipe.settings("model", "game", "rollout", "evaluate"),
        inputs={"games": games, **places},
        make=make,
        overwrite=overwrite,
        resumable=True,
    )


def _deals(recipe: Recipe, pairs: pl.DataFrame, games: Path) -> list[Deal]:
    ids = pairs.filter(pl.col("split") == recipe.evaluate.split)["pair_id"].to_list()
    if not ids:
        raise InputError(f"{games}: has no pairs of the split '{recipe.evaluate.split}'; make more games")
    seed = derive(recipe.seed, "evaluate")
    return deal(ids, recipe.evaluate.games // 2, recipe.game, seed=seed, iteration=0)


def _figures(recipe: Recipe, work: Path) -> dict[str, Any]:
    wins, played, sides = 0, 0, {}
    for side in SIDES:
        side_figures = _side_figures(recipe, work / side, side)
        wins, played = wins + side_figures["wins"], played + side_figures["games"]
        sides[f"as_{side}"] = side_figures
    low, high = wilson(wins, played, recipe.evaluate.confidence)
    return {"games": played, "wins": wins, "win_rate": wins / played, "interval": [low, high], **sides}


def _side_figures(recipe: Recipe, folder: Path, side: str) -> dict[str, Any]:
    columns = ["game_id", "phase", "vote", "vote_kind"]
    rows = tables.read_parts(folder, tables.ROLLOUTS, columns)
    games = tables.read(folder / "games.parquet", tables.GAMES)
    judged = judge_games(rows, count_votes(rows, games, recipe.game), recipe.game)
    votes = rows.filter(pl.col("phase") == "decision").join(games.select("game_id", "spy"), on="game_id")
    wins = judged.filter(pl.col("winner") == side).height
    low, high = wilson(wins, len(judged), recipe.evaluate.confidence)
    return {
        "games": len(judged),
        "wins": wins,
        "win_rate": wins / len(judged),
        "interval": [low, high],
        "vote_accuracy": (votes["vote"] == votes["spy"]).fill_null(False).mean(),
        "na": (votes["vote_kind"] == "na").mean(),
        "unreadable": (votes["vote_kind"] == "unreadable").mean(),
    }
