"""Falling entropy: a policy whose answers grow more and more alike explores less, and its votes lose their variance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from stages.iterate.state import Metrics

LIMIT = 0.3  # share of the first rounds' entropy below which there is a warning
WINDOW = 3  # rounds in an average, since single rounds are noisy
ENTROPIES = {"clue_entropy": "clues", "vote_entropy": "votes"}


def falling(rounds: Sequence[Metrics]) -> list[str]:
    """A warning for each entropy whose mean over the last rounds is below LIMIT times that over the first.

    `rounds` are the metrics of all rounds so far. Rounds without log-probs are ignored.
    """
    warnings = []
    for name, what in ENTROPIES.items():
        known = [row[name] for row in rounds if row.get(name) is not None]
        if len(known) <= WINDOW:
            continue
        first, last = fmean(known[:WINDOW]), fmean(known[-WINDOW:])
        if last < LIMIT * first:
            warnings.append(
                f"the entropy of {what} has fallen to {last:.2g} nats a token, from {first:.2g} in the first rounds "
                f"({last / first:.0%}): raise train.kl, or lower "
                "train.learning_rate"
            )
    return warnings
