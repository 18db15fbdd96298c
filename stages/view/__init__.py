"""view: serves runs as pages on this machine, live while they continue."""

from stages.view.server import run

__all__ = ["run"]
