"""make-games: makes pairs of pictures that differ, and deals a first game on each."""

from stages.make_games.sources import Sources
from stages.make_games.stage import preview, run

__all__ = ["Sources", "preview", "run"]
