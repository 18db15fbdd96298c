"""Pairs of charts: a table drawn twice, the second time with two of its values exchanged.

In the order of work: `csv_files`, `cells`, `times` and `tables` read; `planning` deals out tables; `parts` and `swap`
choose what is shown and exchanged; `looks` draws a style; `composing` makes the chart that both pictures share;
`layout`, `axis`, `labels`, `legend` and `text` say where its parts stand; `drawing`, `marks` and `pies` draw it.
"""

from stages.make_games.charts.planning import plan

__all__ = ["plan"]
