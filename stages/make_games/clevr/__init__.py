"""Pairs of CLEVR scenes: drawn by the rules, or given."""

from stages.core.recipe.games import Games


def packages(games: Games) -> tuple[str, ...]:
    """What decides the pixels of a rendered picture, by its version."""
    return ("mitsuba", "pyoidn") if games.denoise else ("mitsuba",)
