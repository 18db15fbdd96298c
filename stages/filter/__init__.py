"""filter: which scored rows train; every reject is kept with its reason."""

from stages.filter.stage import run

__all__ = ["run"]
