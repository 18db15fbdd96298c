"""filter: decides which scored rows train, and records every rejected row with its reason."""

from stages.filter.stage import run

__all__ = ["run"]
