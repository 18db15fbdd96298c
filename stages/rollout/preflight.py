"""Plays a few games first, to see whether answers are readable and fit their limits, and what a run will cost."""

from __future__ import annotations

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
from stages.core.folder.temporary import TemporaryFolder
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

GAMES = 8  # the default of `vz rollout --preflight`
FAULTS = ("truncated", "truncated_thought", "unreadable")


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
    """Play `number` games into `out`, an ordinary folder of rollouts, and report what they show.

    The games are spread evenly over those of `deal`. Without a deal, they are dealt anew on the pairs of `split`, as
    iterate does. A caller that lends an `engine` names the unplayable pairs (`left_out`). `InputError` if no answer is
    readable; `out` stays, so that you can look at the answers.
    """
    artifact.manifest_of(games, "make-games")
    seats = read_seats(deal) if deal else {}
    pairs = tables.read(games / "pairs.parquet", tables.PAIRS, [*PAIR, "split"])

    candidates = pairs if split is None else pairs.filter(pl.col("split") == split)
    deals = choose_split(read_deals(deal / "games.parquet", recipe.game), pairs, split) if deal else None
    if deals is not None:
        candidates = candidates.join(deals, on="pair_id", how="semi", maintain_order="left")

    def play(work: Path, live: Engine, unplayable: Collection[str]) -> Outcome:
        skipped = pl.col("pair_id").is_in([*unplayable, *left_out])
        dealt = _dealt(recipe, candidates.filter(~skipped), number) if deals is None else deals.filter(~skipped)
        chosen = dealt.gather_every(max(1, len(dealt) // number)).head(number)
        played = play_folder(work, recipe, chosen, pairs, games, live, seats_of=seats, title="preflight")
        outcome = summarise(work)
        outcome.counts |= _lengths_and_shares(work, recipe)
        outcome.timings = played.timings() | _memory()
        if played.games:
            outcome.timings |= _costs(recipe, played.seconds / played.games, len(dealt) if deal else None)
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


def run_temporarily(recipe: Recipe, games: Path, **options: Any) -> Report:
    """Like `run`, in a temporary folder, which stays only if no answer is readable."""
    temporary = TemporaryFolder("vz-preflight-")
    with temporary as folder:
        try:
            return run(recipe, games, folder / "rollouts", **options)
        except BaseException:
            if (folder / "rollouts" / artifact.MANIFEST).is_file():
                temporary.keep()
            raise


def facts(report: Report, recipe: Recipe) -> dict[str, str]:
    """What a preflight showed, as text."""
    counts, timings, shares = report.counts, report.timings, report.counts["shares"]
    entropy, phases = {name: counts[f"{name}_entropy"] for name in ("clue", "vote")}, ("clues", "votes")
    return {
        **{f"{what} tokens": _length(found) for what, found in counts["tokens"].items()},
        **{
            fault.replace("_", " in "): ", ".join(f"{shares[f'{fault}_{each}']:.0%} of {each}" for each in phases)
            for fault in FAULTS
        },
        "repeated clues": f"{counts['repeated_clues']} of {counts['clues'] - counts['unreadable_clues']} readable ones",
        "entropy": ", ".join(f"{name}s {'–' if nats is None else f'{nats:.2f}'}" for name, nats in entropy.items())
        + " nats per token",
        "memory": _memory_fact(timings),
        "speed": f"{timings['games_per_minute']:.1f} games/min, {timings['tokens_in_per_second']:.0f} tokens/s in, "
        f"{timings['tokens_per_second']:.0f} out",
        **_cost_facts(timings, recipe, counts["games"]),
    }


def _dealt(recipe: Recipe, pairs: pl.DataFrame, number: int) -> pl.DataFrame:
    """`number` new games on the `pairs`."""
    seed = derive(recipe.seed, "preflight")
    new = deal_anew(pairs["pair_id"].to_list(), number, recipe.game, seed=seed, iteration=0)
    return choose_split(deal_table(new), pairs, None)


def _lengths_and_shares(folder: Path, recipe: Recipe) -> dict[str, Any]:
    """Lengths in tokens, with their limits, and the shares of clues and votes that are cut off or unreadable."""
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
        "shares": {f"{fault}_{phase}s": own[fault].mean() for fault in FAULTS for phase, own in phases.items()},
    }


def _lengths(tokens: pl.Series, limit: int) -> dict[str, float]:
    longest = max(tokens.to_list())
    return {"mean": round(tokens.cast(pl.Int64).sum() / len(tokens), 1), "longest": longest, "limit": limit}


def _memory() -> dict[str, float]:
    figures = {"memory_gib": peak_gib()}
    if gpu := gpu_gib():
        figures |= {"gpu_memory_gib": gpu[0], "gpu_memory_total_gib": gpu[1]}
    return {name: round(value, 2) for name, value in figures.items()}


def _costs(recipe: Recipe, seconds: float, dealt: int | None) -> dict[str, float]:
    """Upper bounds on the seconds to play a round, the run and a deal of `dealt` games, at `seconds` per game."""
    rounds, rules = recipe.iterate, recipe.game
    longest = rules.model_copy(update={"votes": max(rules.votes, rounds.clue_votes or 0)})
    signal = rounds.signal_games if rounds.signal == "heldout" else 0
    a_round = seconds * (rounds.games * completions_of(longest) / completions_of(rules) + signal)
    costs = {"round_seconds_at_most": a_round, "run_seconds_at_most": a_round * rounds.rounds}
    if dealt is not None:
        costs["deal_seconds_at_most"] = seconds * dealt
    return {name: round(value, 1) for name, value in costs.items()}


def _refuse_unreadable(report: Report) -> None:
    counts = report.counts
    unreadable = counts["unreadable_clues"] == counts["clues"] and counts["unreadable_votes"] == counts["votes"]
    if not unreadable and counts["truncated"] < counts["rows"]:
        return
    fault = "no clue or vote is readable" if unreadable else "every answer is cut off at its token limit"
    longer = "raise rollout.max_clue_tokens and rollout.max_vote_tokens"
    raise InputError(
        f"preflight: {fault} ({counts['truncated']} of {counts['rows']} are cut off, {counts['truncated_thoughts']} of "
        f"them inside their thought), so the policy would learn nothing. Look at one: vz inspect {report.out} --game 1 "
        f"--turn 0. Likely remedies: {THINK_LESS if counts['truncated_thoughts'] else longer}; use a model that "
        "follows instructions, with its own chat template (model.chat_template); use prompts that the model was "
        "trained on (game.prompts)"
    )


def _length(found: Mapping[str, Any]) -> str:
    if not found["longest"]:
        return "unknown: the server does not report token counts"
    return f"mean {found['mean']:g}, longest {found['longest']} of at most {found['limit']}"


def _memory_fact(timings: Mapping[str, float]) -> str:
    used = f"{timings['memory_gib']:.1f} GiB"
    if "gpu_memory_gib" not in timings:
        return used
    total = timings["gpu_memory_total_gib"]
    return f"{used}; GPU {timings['gpu_memory_gib']:.1f} of {total:.1f} GiB, by all its processes"


def _cost_facts(timings: Mapping[str, float], recipe: Recipe, played: int) -> dict[str, str]:
    """The costs, and what they assume."""
    if "round_seconds_at_most" not in timings:
        return {}
    rounds, at_once = recipe.iterate, min(played, recipe.rollout.concurrent_games)
    costs = {
        "a round": (f"{rounds.games} games", "round_seconds_at_most"),
        "the run": (f"{rounds.rounds} rounds", "run_seconds_at_most"),
        "this deal": ("all its games", "deal_seconds_at_most"),
    }
    return {
        **{
            f"playing {what}": f"at most {timedelta(seconds=round(timings[name]))} ({size})"
            for what, (size, name) in costs.items()
            if name in timings
        },
        **_estimated(timings),
        "assumed": f"{at_once} games in play. Up to {recipe.rollout.concurrent_games} are faster, so these are upper "
        "bounds unless answers grow longer; evaluations are not included",
    }


def _estimated(timings: Mapping[str, float]) -> dict[str, str]:
    """What a run adds to the costs before its first round."""
    if "training_round_seconds" not in timings:
        return {}
    training, run = (timedelta(seconds=round(timings[name])) for name in ("training_round_seconds", "run_seconds"))
    return {"training a round": f"about {training} (estimated)", "the whole run": f"about {run} (estimated)"}
