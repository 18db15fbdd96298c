"""SVG as text: elements whose attributes and words are escaped."""

from __future__ import annotations

from html import escape


def tag(name: str, *children: str, **attributes: object) -> str:
    """An element. `stroke_width=1` becomes `stroke-width="1"`, `class_` becomes `class`; None leaves one out.

    Attributes are escaped here; children are markup already, so words go through `words` first.
    """
    given = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"'
        for key, value in attributes.items()
        if value is not None
    ]
    return f"<{name}{''.join(given)}>{''.join(children)}</{name}>" if children else f"<{name}{''.join(given)}/>"


def words(text: str) -> str:
    """Text as it may stand between two tags."""
    return escape(text)


def number(value: float) -> str:
    """A coordinate: a tenth of a unit is finer than a screen shows."""
    text = f"{value:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def _shown(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
