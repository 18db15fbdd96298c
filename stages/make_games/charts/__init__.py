"""Pairs of charts: a table drawn twice, the second time with two of its values exchanged.

In the order of work: `reading` takes a file apart; `numbers`, `times` and `columns` say what its columns are; `tables`
makes cubes of values of one unit; `planning` deals out tables; `cutting` and `swap` choose what is shown and exchanged;
`looks` draws a style; `drawing` and `marks` draw the pictures.
"""

from stages.make_games.charts.planning import plan

__all__ = ["plan"]
