"""What every field of a recipe means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def describe_fields(section: BaseModel, prefix: str = "") -> Iterator[str]:
    """A line a field: its key, its value here, and its description."""
    for name, field in type(section).model_fields.items():
        key = f"{prefix}{field.alias or name}"
        value: Any = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from describe_fields(value, f"{key}.")
        else:
            yield f"{key} = {value!r}\n    {field.description}"
