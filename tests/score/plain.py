"""The reward functions of the released Vision-Zero code, written plainly in Python from the facts about them.

Votes are read from the text of each answer: the first box, N/A or the first digit in it. Clues earn eq. 1, less a
baseline that moves with every game (eq. 2, α = 0.9). A vote earns 1.2 × eq. 4 + 0.3 × format, and 0.99 more when right,
normalised within its game (eq. 5).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

BETA = LAMBDA = 0.1
ALPHA = 0.9
EPSILON = 1e-8

BOX = re.compile(r"\\\\?boxed\{(.*?)\}", re.DOTALL)
THOUGHT = re.compile(r"<think>(.*?)</think>", re.DOTALL)
SEAT = re.compile(r"\b([1-9])\b")


def score(games: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[float, float]]:
    """(reward, advantage) of each row, game by game."""
    scored: list[tuple[float, float]] = []
    baselines = {"spy": 0.0, "civilian": 0.0}
    for rows in games:
        spy, players = rows[0]["spy"], rows[0]["players"]
        clues = [row for row in rows if row["phase"] == "clue"]
        answers = [row["completion"] for row in rows if row["phase"] == "decision"]
        votes = [vote_of(answer) for answer in answers]
        rewards = clue_rewards(votes, spy, players)
        civilians = [reward for seat, reward in rewards.items() if seat != spy]
        means = {"spy": rewards[spy], "civilian": sum(civilians) / len(civilians)}
        for role, mean in means.items():
            baselines[role] = ALPHA * baselines[role] + (1 - ALPHA) * mean
        for row in clues:
            role = "spy" if row["player"] == spy else "civilian"
            scored.append((rewards[row["player"]], rewards[row["player"]] - baselines[role]))
        earned = [vote_reward(answer, vote, spy) for answer, vote in zip(answers, votes, strict=True)]
        scored += zip(earned, normalised(earned), strict=True)
    return scored


def vote_of(answer: str) -> int | str | None:
    """The seat voted for, "N/A", or None."""
    box = BOX.search(answer)
    if box is None:
        return None
    said = box.group(1).strip()
    if said.upper() in {"N/A", "NA"}:
        return "N/A"
    seats = SEAT.findall(said)
    return int(seats[0]) if seats else None


def clue_rewards(votes: Sequence[int | str | None], spy: int, players: int) -> dict[int, float]:
    """Eq. 1, by seat."""
    counts = dict.fromkeys(range(1, players + 1), 0)
    for vote in votes:
        if isinstance(vote, int) and vote in counts:
            counts[vote] += 1
    civilians = [count for seat, count in counts.items() if seat != spy]
    mean = sum(civilians) / len(civilians)
    potential = counts[spy] - mean
    share = BETA * potential / len(civilians)
    return {
        seat: -BETA * potential if seat == spy else share - LAMBDA * (count - mean) for seat, count in counts.items()
    }


def vote_reward(answer: str, vote: int | str | None, spy: int) -> float:
    accuracy = 1.0 if vote == spy else -0.5 if vote == "N/A" else -1.0
    return 1.2 * accuracy + 0.3 * (1.0 if is_well_formed(answer) else -1.0) + (0.99 if vote == spy else 0.0)


def is_well_formed(answer: str) -> bool:
    """A box that holds something, and more than 10 characters of reasoning."""
    box = BOX.search(answer)
    if box is None or not box.group(1).strip():
        return False
    thought = THOUGHT.search(answer)
    reasoning = thought.group(1).strip() if thought else answer[: box.start()].strip()
    if not reasoning:
        reasoning = "\n".join(line.strip() for line in answer.split("\n") if not BOX.search(line)).strip()
    return len(reasoning) > 10


def normalised(rewards: Sequence[float]) -> list[float]:
    """Eq. 5."""
    mean = sum(rewards) / len(rewards)
    spread = (sum((reward - mean) ** 2 for reward in rewards) / len(rewards)) ** 0.5
    if spread <= EPSILON:
        return [0.0] * len(rewards)
    return [(reward - mean) / (spread + EPSILON) for reward in rewards]
