"""Shell completion for the values of options (`vz --install-completion`)."""

from __future__ import annotations

from collections.abc import Iterator


def recipes(incomplete: str) -> list[str]:
    """Recipes that come with vz. If none matches, the shell offers files."""
    from stages.core.recipe import known_recipes

    return [name for name in known_recipes() if name.startswith(incomplete)]


def settings(incomplete: str) -> Iterator[tuple[str, str]]:
    """The recipe's fields and their meanings."""
    from stages.core.recipe import Recipe

    for field in Recipe().described():
        key, meaning = field.split(" = ", 1)[0], field.rsplit("\n", 1)[1].strip()
        if key.startswith(incomplete):
            yield f"{key}=", meaning
