"""export: the pairs as a data set that others can load, with its card."""

from stages.export.stage import run

__all__ = ["run"]
