"""view: runs as pages on this machine, live while they go on."""

from stages.view.server import run

__all__ = ["run"]
