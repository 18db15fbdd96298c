"""report: a run as one page, with its curves and a few games played again."""

from stages.report.stage import run

__all__ = ["run"]
