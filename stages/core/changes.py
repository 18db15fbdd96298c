"""What differs between the two pictures of a pair."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One attribute of one thing (its number in the scene or table, from 0) that differs between the two pictures."""

    object: int
    attribute: str
    before: str
    after: str
