"""report: shows a run on one page, with its curves and replays of a few games."""

from stages.report.stage import run

__all__ = ["run"]
