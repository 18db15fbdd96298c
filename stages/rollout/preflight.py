"""A few games before the many: can the answers be read, do they fit, and what will playing cost?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from stages.core import tables
from stages.core.engines import Engine
from stages.core.errors import InputError
from stages.core.folder import artifact
from stages.core.folder.artifact import Outcome, Report
from stages.core.game.readers import UNREADABLE_CLUE
from stages.core.game.rules import deal as deal_anew
from stages.core.play.folder import PAIR, deal_table, play_folder
from stages.core.play.game import policies
from stages.core.play.live import completions_of
from stages.core.recipe import Recipe
from stages.core.seeds import derive
from stages.rollout.deals import choose_split, read_deals, read_seats
from stages.rollout.memory import gpu_gib, peak_gib
from stages.rollout.stage import produce
from stages.rollout.summary import CUT, THINK_LESS, THINKING, summarise

GAMES = 8  # of `vz rollout --preflight`


def run(
    recipe: Recipe,
    games: Path,
    out: Path,
    *,
    number: int = GAMES,
    deal: Path | None = None,
    split: str | None = "train",
    models: Mapping[str, str | Path] | None = None,
    engine: Engine | None = None,
    left_out: Collection[str] = (),
    overwrite: bool = False,
) -> Report:
    """Play `number` games into `out`, an ordinary folder of rollouts, and say what they show.

    The games are spread evenly over those of `deal`; without it they are dealt anew on the pairs of `split`, as iterate
    deals them. `left_out`: pairs that cannot be played, as the lender of `engine` knows. `InputError`, with `out` left
    to look into, when nothing can be read.
    """
    artifact.manifest_of(games, "make-games")
    seats = read_seats(deal) if deal else {}
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, [*PAIR, "split"])

    def candidates() -> pl.DataFrame:
        """All pairs that games may be dealt on, since a few games would miss the odd one."""
        if deal is not None:
            return pairs.join(
                _dealt(recipe, pairs, deal, split, number, ()), on="pair_id", how="semi", maintain_order="left"
            )
        return pairs if split is None else pairs.filter(pl.col("split") == split)

    def play(work: Path, live: Engine, unplayable: Collection[str]) -> Outcome:
        dealt = _dealt(recipe, pairs, deal, split, number, {*unplayable, *left_out})
        chosen = dealt.gather_every(max(1, len(dealt) // number)).head(number)
        played = play_folder(work, recipe, chosen, pairs, games, live, seats_of=seats, title="preflight")
        outcome = summarise(work)
        outcome.counts |= _lengths_and_shares(work, recipe)
        outcome.timings = played.timings() | _memory()
        if played.games:
            outcome.timings |= _ahead(recipe, played.seconds / played.games, len(dealt) if deal else None)
        return outcome

    report = produce(
        recipe,
        games,
        out,
        candidates,
        play,
        players=policies(recipe, seats.values()),
        inputs={"deal": deal} if deal else {},
        settings={"split": split, "preflight": number},
        models=models,
        engine=engine,
        overwrite=overwrite,
    )
    _refuse_unreadable(report)
    return report


def run_in_passing(recipe: Recipe, games: Path, **options: Any) -> Report:
    """`run` into a temporary folder, which stays only if nothing could be read."""
    folder = Path(tempfile.mkdtemp(prefix="vz-preflight-"))
    try:
        report = run(recipe, games, folder / "rollouts", **options)
    except BaseException:
        if not (folder / "rollouts" / artifact.MANIFEST).is_file():
            shutil.rmtree(folder)
        raise
    shutil.rmtree(folder)
    return report


def facts(report: Report, recipe: Recipe) -> dict[str, str]:
    """What a preflight showed, in words."""
    counts, timings, shares = report.counts, report.timings, report.counts["shares"]
    entropy = {name: counts[f"{name}_entropy"] for name in ("clue", "vote")}
    return {
        **{f"{what} tokens": _length(found) for what, found in counts["tokens"].items()},
        "truncated": f"{shares['truncated_clues']:.0%} of clues, {shares['truncated_votes']:.0%} of votes",
        "truncated in thought": f"{shares['truncated_thought_clues']:.0%} of clues, "
        f"{shares['truncated_thought_votes']:.0%} of votes",
        "unreadable": f"{shares['unreadable_clues']:.0%} of clues, {shares['unreadable_votes']:.0%} of votes",
        "repeated clues": f"{counts['repeated_clues']} of {counts['clues'] - counts['unreadable_clues']} readable ones",
        "entropy": ", ".join(f"{name}s {'–' if nats is None else f'{nats:.2f}'}" for name, nats in entropy.items())
        + " nats a token",
        "memory": _told_memory(timings),
        "speed": f"{timings['games_per_minute']:.1f} games/min, {timings['tokens_in_per_second']:.0f} tokens/s in, "
        f"{timings['tokens_per_second']:.0f} out",
        **_told_ahead(timings, recipe, counts["games"]),
    }


def _dealt(
    recipe: Recipe, pairs: pl.DataFrame, deal: Path | None, split: str | None, number: int, left_out: Collection[str]
) -> pl.DataFrame:
    """All games of the deal on the split, or `number` new ones; none on pairs that are left out."""
    if deal is not None:
        dealt = choose_split(read_deals(deal / "games.parquet", recipe.game), pairs, split)
        return dealt.filter(~pl.col("pair_id").is_in(list(left_out)))
    chosen = pairs.filter(~pl.col("pair_id").is_in(list(left_out)))
    ids = chosen["pair_id"] if split is None else chosen.filter(pl.col("split") == split)["pair_id"]
    new = deal_anew(ids.to_list(), number, recipe.game, seed=derive(recipe.seed, "preflight"), iteration=0)
    return choose_split(deal_table(new), pairs, split)


def _lengths_and_shares(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Lengths in tokens beside their limits, and shares of clues and of votes that are cut off or cannot be read."""
    columns = ["phase", "prompt_tokens", "completion_ids", "finish_reason", "thought", "clue", "vote_kind"]
    rows = tables.read_parts(folder, tables.ROLLOUTS, columns).with_columns(
        tokens=pl.col("completion_ids").list.len(),
        truncated=CUT,
        truncated_thought=CUT & THINKING,
        unreadable=pl.col("clue").eq_missing(UNREADABLE_CLUE) | pl.col("vote_kind").eq_missing("unreadable"),
    )
    phases = {"clue": rows.filter(pl.col("phase") == "clue"), "vote": rows.filter(pl.col("phase") == "decision")}
    limits = {"clue": recipe.rollout.longest("clue"), "vote": recipe.rollout.longest("decision")}
    return {
        "tokens": {
            "prompt": _lengths(rows["prompt_tokens"], recipe.rollout.max_prompt_tokens),
            **{phase: _lengths(own["tokens"], limits[phase]) for phase, own in phases.items()},
        },
        "shares": {
            f"{fault}_{phase}s": own[fault].mean()
            for fault in ("truncated", "truncated_thought", "unreadable")
            for phase, own in phases.items()
        },
    }


def _lengths(tokens: pl.Series, limit: int) -> dict[str, float]:
    longest = max(tokens.to_list())
    return {"mean": round(tokens.cast(pl.Int64).sum() / len(tokens), 1), "longest": longest, "limit": limit}


def _memory() -> dict[str, float]:
    gpu = gpu_gib()
    found = {"memory_gib": round(peak_gib(), 2)}
    return (
        found
        if gpu is None
        else {**found, "gpu_memory_gib": round(gpu[0], 2), "gpu_memory_total_gib": round(gpu[1], 2)}
    )


def _ahead(recipe: Recipe, seconds: float, dealt: int | None) -> dict[str, float]:
    """Seconds of playing the deal, a round and the run, if every game takes its share of these few: `seconds`."""
    rounds, rules = recipe.iterate, recipe.game
    most = (
        rules if rounds.clue_votes is None else rules.model_copy(update={"votes": max(rules.votes, rounds.clue_votes)})
    )
    signal = rounds.signal_games if rounds.signal == "heldout" else 0
    a_round = seconds * (rounds.games * completions_of(most) / completions_of(rules) + signal)
    told = {"round_seconds_at_most": a_round, "run_seconds_at_most": a_round * rounds.rounds}
    if dealt is not None:
        told["deal_seconds_at_most"] = seconds * dealt
    return {name: round(value, 1) for name, value in told.items()}


def _refuse_unreadable(report: Report) -> None:
    counts = report.counts
    unreadable = counts["unreadable_clues"] == counts["clues"] and counts["unreadable_votes"] == counts["votes"]
    if not unreadable and counts["truncated"] < counts["rows"]:
        return
    found = "no clue and no vote can be read" if unreadable else "every answer is cut off at its token limit"
    longer = "raise rollout.max_clue_tokens and rollout.max_vote_tokens"
    raise InputError(
        f"preflight: {found} ({counts['truncated']} of {counts['rows']} are cut off, {counts['truncated_thoughts']} of "
        f"them inside their thought), so nothing can be learned; look at them: vz inspect {report.out} --game 1 --turn "
        f"0. Likely remedies: {THINK_LESS if counts['truncated_thoughts'] else longer}; take a model that follows "
        "instructions, with its own chat template (model.chat_template); take prompts that the model was taught "
        "(game.prompts)"
    )


def _length(found: Mapping[str, Any]) -> str:
    if not found["longest"]:
        return "not known: the server does not tell"
    return f"mean {found['mean']:g}, longest {found['longest']} of at most {found['limit']}"


def _told_memory(timings: Mapping[str, float]) -> str:
    told = f"{timings['memory_gib']:.1f} GiB"
    if "gpu_memory_gib" not in timings:
        return told
    return f"{told}; GPU {timings['gpu_memory_gib']:.1f} of {timings['gpu_memory_total_gib']:.1f} GiB, whoever uses it"


def _told_ahead(timings: Mapping[str, float], recipe: Recipe, played: int) -> dict[str, str]:
    """The cost of what is to come, with what it assumes."""
    if "round_seconds_at_most" not in timings:
        return {}
    rounds, at_once = recipe.iterate, min(played, recipe.rollout.concurrent_games)
    costs = {
        "a round": (f"{rounds.games} games", "round_seconds_at_most"),
        "the run": (f"{rounds.rounds} rounds", "run_seconds_at_most"),
        "this deal": ("all its games", "deal_seconds_at_most"),
    }
    told = {
        f"playing {what}": f"at most {timedelta(seconds=round(timings[name]))} ({size})"
        for what, (size, name) in costs.items()
        if name in timings
    }
    assumed = (
        f"{at_once} games were in play, up to {recipe.rollout.concurrent_games} will be, which goes faster: an upper "
        "bound as long as answers grow no longer; training and evaluations come on top"
    )
    return {**told, "assumed": assumed}
