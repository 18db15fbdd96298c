"""What all sections of a recipe share: strict, frozen models, and which of their values a result depends on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from stages.core.user_code import hash_of_user_file, is_user_file

# A result depends on its inputs and on the values of all fields except these. A stage neither resumes nor reuses an
# output folder that was made with different values. For a value that names a Python file, the content of the file
# counts.
RuntimeField = partial(
    Field, json_schema_extra={"kind": "runtime"}
)  # affects only speed, memory, waiting times or checks
NumericField = partial(Field, json_schema_extra={"kind": "numeric"})  # rounding: counts only if `deterministic` is true
ContentField = partial(Field, json_schema_extra={"kind": "content"})  # a path: its content counts as an input


class Section(BaseModel):
    """A part of a recipe. Unknown keys and values of the wrong type are errors. A section is immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    def identity(self, *, deterministic: bool, prefix: str = "") -> dict[str, Any]:
        """The values that a result depends on, as plain data. Messages put `prefix` before keys."""
        ignored = {"runtime", "content"} if deterministic else {"runtime", "content", "numeric"}
        body = self.model_dump(mode="json", by_alias=True)
        for name, field in type(self).model_fields.items():
            key, value, marker = field.alias or name, getattr(self, name), field.json_schema_extra
            if isinstance(marker, dict) and marker["kind"] in ignored:
                del body[key]
            elif isinstance(value, Section):
                body[key] = value.identity(deterministic=deterministic, prefix=f"{prefix}{key}.")
            elif is_user_file(value):
                body[key] = hash_of_user_file(value, f"{prefix}{key}")
        return body

    def described(self, prefix: str = "") -> Iterator[str]:
        """A paragraph for each field: its key, value and description."""
        for name, field in type(self).model_fields.items():
            key, value = f"{prefix}{field.alias or name}", getattr(self, name)
            if isinstance(value, Section):
                yield from value.described(f"{key}.")
            else:
                yield f"{key} = {value!r}\n    {field.description}"

    def user_files(self, prefix: str = "") -> dict[str, Path]:
        """The Python files that a result depends on, by dotted key."""
        found: dict[str, Path] = {}
        for name, field in type(self).model_fields.items():
            key, value = f"{prefix}{field.alias or name}", getattr(self, name)
            if isinstance(value, Section):
                found |= value.user_files(f"{key}.")
            elif is_user_file(value):
                found[key] = Path(value)
        return found
