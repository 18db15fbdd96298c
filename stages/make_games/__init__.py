"""make-games: pairs of pictures that differ, and a first game dealt on each."""

from stages.make_games.sources import Sources
from stages.make_games.stage import preview, run

__all__ = ["Sources", "preview", "run"]
