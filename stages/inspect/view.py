"""What inspect shows, as plain data for printing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl


@dataclass
class View:
    """A title, facts by name, tables by name, texts, and next commands with what they do.

    `more` counts the rows of each table that are not shown.
    """

    title: str
    facts: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, pl.DataFrame] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    more: dict[str, int] = field(default_factory=dict)
    next: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "tables": {name: table.to_dicts() for name, table in self.tables.items()}}
