"""From rollouts to scored rows: who got which votes, what each completion earned, and its advantage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.folder.files import write_json
from stages.core.game.rules import ActivePhase
from stages.core.play.votes import count_votes, judge_games
from stages.core.recipe import Recipe
from stages.core.recipe.game import Game
from stages.core.recipe.scoring import Score
from stages.core.seeds import rng
from stages.score import rewards
from stages.score.baselines import Baselines, move, read_baselines
from stages.score.code_format import is_well_formed

_COLUMNS = ["game_id", "turn", "sample", "phase", "player", "role", "policy", "finish_reason", "vote", "vote_kind"]


def run(
    recipe: Recipe,
    rollouts: Path,
    out: Path,
    *,
    phase: ActivePhase = "both",
    baselines: Path | None = None,
    overwrite: bool = False,
) -> Report:
    """Score every row. `phase` is what trains in this iteration: role baselines move in clue iterations only, unless
    the recipe says both. `baselines` is the `baselines.json` of the iteration before; zeros without it."""
    played = artifact.manifest_of(rollouts, "rollout")["settings"]["game"]
    rules = Game.model_validate(played)  # as the games were played, whatever the recipe says now

    def make(work: Path) -> Outcome:
        rows, games = read_rollouts(rollouts, with_format=recipe.score.decision_reward == "code")
        votes = count_votes(rows, games, rules)
        judged = judge_games(rows, votes, rules)
        moves = phase != "decision" or recipe.score.baseline_phases == "both"
        worth = _worth(votes, judged, recipe.score)
        clues, after = score_clues(rows, worth, read_baselines(baselines), recipe.score, moves)
        scored = pl.concat([clues, score_votes(rows, votes, recipe.score)]).sort(tables.KEY)
        _same_rows(rows, scored)
        own = rows.sort(tables.KEY).select(own=rewards.OWN)["own"]
        if recipe.score.shuffle:
            scored = shuffled(scored, own, recipe.seed)
        tables.write(scored, work / "scored.parquet", tables.SCORED)
        tables.write(judged, work / "games.parquet", tables.SCORED_GAMES)
        write_json(work / "baselines.json", after.as_dict())
        counts = _counts(scored.with_columns(own), judged.join(_voters(rows), on="game_id", maintain_order="left"))
        return Outcome({**counts, "baselines": after.as_dict()})

    inputs = {"rollouts": rollouts} | ({"baselines": baselines} if baselines else {})
    settings = {**recipe.settings("score"), "game": played, "phase": phase}  # the seed is among them: see `shuffled`
    return artifact.produce(out, stage="score", settings=settings, inputs=inputs, make=make, overwrite=overwrite)


def read_rollouts(folder: Path, with_format: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows (without the long columns) and the games of a rollouts folder; each game's seats must fit its rows.

    `with_format` adds `well_formed`, for which every completion is read.
    """
    rows = tables.read_parts(folder, tables.ROLLOUTS, [*_COLUMNS, *(["completion"] if with_format else [])])
    games = tables.read(folder / "games.parquet", tables.GAMES)
    tables.unique_key(rows, tables.KEY, folder)
    spy = games.select("game_id", "spy", "players")
    joined = rows.join(spy, on="game_id", how="left")
    off = joined.filter(
        pl.col("spy").is_null()
        | ((pl.col("role") == "spy") & (pl.col("player") != pl.col("spy")))
        | (pl.col("vote") > pl.col("players"))
        | (pl.col("vote") < 1)
    )
    if len(off):
        key = {name: off[name][0] for name in tables.KEY}
        raise InputError(f"{folder}: the row {key} does not fit games.parquet (seat, role or game); play it again")
    if not with_format:
        return rows, games
    formed = pl.Series([is_well_formed(text) for text in rows["completion"]], dtype=pl.Boolean)
    return rows.with_columns(well_formed=formed).drop("completion"), games


def _worth(votes: pl.DataFrame, judged: pl.DataFrame, recipe: Score) -> pl.DataFrame:
    """The votes by seat as eq. 1 counts them: as cast, or as shares of `votes_worth`."""
    if recipe.votes_worth is None:
        return votes
    share = recipe.votes_worth / pl.col("cast_votes")
    cast = judged.select("game_id", "cast_votes")
    return votes.join(cast, on="game_id").with_columns(votes=pl.col("votes") * share).drop("cast_votes")


def shuffled(scored: pl.DataFrame, own: pl.Series, seed: int) -> pl.DataFrame:
    """`scored` with the advantages of each phase dealt out among its rows by a seed and nothing else.

    Those of rows that are the current policy's `own` stay among them, so that what trains keeps its mean and spread.
    """
    order = rng(seed, "shuffle", scored["game_id"].first())
    parts = []
    for _, part in scored.with_columns(own).group_by("phase", "own", maintain_order=True):
        places = list(range(len(part)))
        order.shuffle(places)
        parts.append(part.with_columns(advantage=part["advantage"].gather(places)))
    return pl.concat(parts).drop("own").sort(tables.KEY)


def score_clues(
    rows: pl.DataFrame, votes: pl.DataFrame, before: Baselines, recipe: Score, moves: bool
) -> tuple[pl.DataFrame, Baselines]:
    """Clue rows in the SCORED schema: eq. 1 and eq. 2. Every clue of a player carries that player's advantage."""
    is_spy = pl.col("seat") == pl.col("spy")
    v_s = pl.col("votes").filter(is_spy).first().over("game_id")
    v_c_mean = pl.col("votes").filter(~is_spy).mean().over("game_id")
    n_c = (~is_spy).sum().over("game_id")
    seats = votes.with_columns(
        reward=pl.when(is_spy)
        .then(rewards.spy_reward(v_s, v_c_mean, recipe))
        .otherwise(rewards.civilian_reward(v_s, pl.col("votes"), v_c_mean, n_c, recipe)),
    )
    per_game = seats.group_by("game_id").agg(
        r_s=pl.col("reward").filter(is_spy).first(), r_c=pl.col("reward").filter(~is_spy).mean()
    )
    per_game, after = move(_only_own(per_game, rows), before, recipe, moves)
    seats = seats.join(per_game, on="game_id").with_columns(
        baseline=pl.when(is_spy).then(pl.col("b_s")).otherwise(pl.col("b_c"))
    )
    clues = rows.filter(pl.col("phase") == "clue").join(
        seats, left_on=["game_id", "player"], right_on=["game_id", "seat"], how="left"
    )
    scored = clues.with_columns(
        advantage=rewards.scaled_by_role(pl.col("reward") - pl.col("baseline"), recipe),
        reward_parts=_parts(zero_sum=pl.col("reward")),
        group_id=pl.col("game_id"),
        votes_received=pl.col("votes"),
        correct=pl.lit(None, dtype=pl.Boolean),
        truncated=pl.col("finish_reason") == "length",
    )
    return scored.select(list(tables.SCORED)), after


def _only_own(per_game: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """r_s and r_c of each game, null where another policy than the current one had the role: eq. 2 is about its own."""
    clue = pl.col("phase") == "clue"
    had = rows.group_by("game_id").agg(
        s=rewards.OWN.filter(clue, pl.col("role") == "spy").all(),
        c=rewards.OWN.filter(clue, pl.col("role") == "civilian").all(),
    )
    own = {name: pl.when(role).then(name) for name, role in (("r_s", "s"), ("r_c", "c"))}
    return per_game.join(had, on="game_id").select("game_id", **own)


def _voters(rows: pl.DataFrame) -> pl.DataFrame:
    """Of each game, whether its voters were the current policy: `game_id, own`."""
    return rows.filter(pl.col("phase") == "decision").group_by("game_id").agg(own=rewards.OWN.all())


def score_votes(rows: pl.DataFrame, votes: pl.DataFrame, recipe: Score) -> pl.DataFrame:
    """Decision rows in the SCORED schema: eq. 4 (or the released code's reward) and eq. 5 over the game's votes."""
    spies = votes.group_by("game_id").agg(pl.col("spy").first(), players=pl.len())
    cast = rows.filter(pl.col("phase") == "decision").join(spies, on="game_id", how="left")
    cast = cast.with_columns(correct=(pl.col("vote") == pl.col("spy")).fill_null(False))
    cast = cast.with_columns(accuracy=rewards.vote_reward(recipe))
    if recipe.decision_reward == "code":
        cast = cast.with_columns(format=rewards.code_format_reward()).with_columns(
            reward=rewards.code_vote_reward(pl.col("accuracy"), pl.col("format")),
            reward_parts=_parts(accuracy=pl.col("accuracy"), form=pl.col("format")),
        )
    else:
        cast = cast.with_columns(reward=pl.col("accuracy"), reward_parts=_parts(accuracy=pl.col("accuracy")))
    scored = cast.with_columns(
        baseline=pl.col("reward").mean().over("game_id"),
        advantage=rewards.group_advantage(pl.col("reward"), "game_id", recipe),
        group_id=pl.col("game_id"),
        votes_received=pl.lit(None, dtype=pl.Float64),
        truncated=pl.col("finish_reason") == "length",
    )
    return scored.select(list(tables.SCORED))


def _parts(accuracy: pl.Expr | None = None, form: pl.Expr | None = None, zero_sum: pl.Expr | None = None) -> pl.Expr:
    nothing = pl.lit(None, dtype=pl.Float64)
    parts = {"accuracy": accuracy, "format": form, "zero_sum": zero_sum}
    return pl.struct([(nothing if part is None else part).alias(name) for name, part in parts.items()])


def _same_rows(rows: pl.DataFrame, scored: pl.DataFrame) -> None:
    if len(rows) != len(scored) or scored["advantage"].null_count() or not scored["advantage"].is_finite().all():
        raise InputError("a row of the rollouts could not be scored: its game, seat or phase is not in games.parquet")


def _counts(scored: pl.DataFrame, judged: pl.DataFrame) -> dict[str, Any]:
    """Numbers of all games and rows; acc, na, accuracy and rewards of the current policy, as what it is judged by."""

    def mean(role: str) -> float | None:
        value = _of_current(scored.filter(pl.col("role") == role, pl.col("phase") == "clue"))["reward"].mean()
        return float(value) if isinstance(value, float) else None

    decision = scored.filter(pl.col("phase") == "decision")
    votes, voted = _of_current(decision), _of_current(judged)
    return {
        "games": len(judged),
        "rows": len(scored),
        "clues": len(scored) - len(decision),
        "votes": len(decision),
        "acc": voted["acc"].mean(),
        "na": int(voted["na_votes"].sum()) / max(1, int(voted["cast_votes"].sum())),
        "vote_accuracy": votes["correct"].mean(),
        "unreadable_votes": int(judged["unreadable_votes"].sum()),
        "reward_spy": mean("spy"),
        "reward_civilian": mean("civilian"),
        "reward_decision": votes["reward"].mean(),
    }


def _of_current(frame: pl.DataFrame) -> pl.DataFrame:
    """What is the current policy's `own`; all of a role that it never has (`rollout.seats`), so that it is shown."""
    own = frame.filter("own")
    return frame if own.is_empty() else own
