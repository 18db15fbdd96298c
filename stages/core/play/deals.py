"""Deals as a list that is read where it is needed: many games are a table, not as many objects."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import overload

import polars as pl

from stages.core import tables
from stages.core.errors import InputError
from stages.core.game.rules import Deal


class Deals(Sequence[Deal]):
    """The rows of a `games.parquet` (`tables.GAMES`), each made a `Deal` when it is asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame.select(list(tables.GAMES))

    @classmethod
    def of(cls, deals: Sequence[Deal]) -> Deals:
        """`deals` as a table."""
        if isinstance(deals, Deals):
            return deals
        return cls(tables.from_rows([vars(deal) for deal in deals], tables.GAMES))

    def on(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The rows of `pairs` on which these games are played."""
        return pairs.filter(pl.col("pair_id").is_in(self.frame["pair_id"].implode()))

    def without(self, pair_ids: Collection[str]) -> Deals:
        """The games on other pairs."""
        return Deals(self.frame.filter(~pl.col("pair_id").is_in(list(pair_ids))))

    def __len__(self) -> int:
        return len(self.frame)

    @overload
    def __getitem__(self, index: int) -> Deal: ...

    @overload
    def __getitem__(self, index: slice) -> Deals: ...

    def __getitem__(self, index: int | slice) -> Deal | Deals:
        if isinstance(index, slice):
            return Deals(self.frame[index])
        return Deal(*self.frame.row(range(len(self))[index]))  # the range knows negative places and the end

    def __iter__(self) -> Iterator[Deal]:
        return (Deal(*row) for row in self.frame.iter_rows())


def check_spy_view(pairs: pl.DataFrame, view: str) -> None:
    """`InputError` unless every row's pair (`pair_id`, `modified`) has the picture that the spy is to see."""
    lacking = pairs.filter(pl.col("modified").is_null()) if view == "modified" else pairs.clear()
    for pair in lacking.head(1).iter_rows(named=True):
        raise InputError(
            f"pair '{pair['pair_id']}' has no modified picture, so the spy can only see a blank one: add "
            "--set game.spy_view=blank, or make the games again with --set game.spy_view=modified"
        )
