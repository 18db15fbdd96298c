"""What all recipe sections share: strict, frozen, every field described and marked by what it decides."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

from stages.core.user_code import hash_of_user_file, is_user_file

# Which part of a result a field decides, as its `json_schema_extra`. A field without a mark decides the result itself:
# with another value the result is another one, and stages refuse a folder that was made with the old value.
NO_BYTE: JsonDict = {"decides": "no byte"}  # only speed, memory, patience, or what may be refused or warned about
LAST_BITS: JsonDict = {"decides": "last bits"}  # the order of arithmetic: counts where `deterministic` is true
BY_CONTENT: JsonDict = {"decides": "by content"}  # a path: the content there counts, as an input
NAME_OR_FILE: JsonDict = {"decides": "by content of a file"}  # a name, or a Python file whose content counts


class Section(BaseModel):
    """A part of a recipe. An unknown key or a value of the wrong kind is an error; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    def identity(self, *, deterministic: bool) -> dict[str, Any]:
        """The values that decide a result, as plain data."""
        left_out = [NO_BYTE, BY_CONTENT] + ([] if deterministic else [LAST_BITS])
        body = self.model_dump(mode="json", by_alias=True)
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if field.json_schema_extra in left_out:
                del body[field.alias or name]
            elif field.json_schema_extra == NAME_OR_FILE and is_user_file(value):
                body[field.alias or name] = hash_of_user_file(value, name)
            elif isinstance(value, Section):
                body[field.alias or name] = value.identity(deterministic=deterministic)
        return body
