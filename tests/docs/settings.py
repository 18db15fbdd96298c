"""The recipe fields that a page names."""

from __future__ import annotations

import re
from typing import get_args

from stages.core.recipe import Recipe

NOT_FIELDS = {"json", "parquet", "py", "seats"}  # endings of files, and a variable of templates


def check_settings(text: str) -> int:
    """Every `section.field` of the text must exist. Returns how many there are."""
    sections = {name: field.annotation for name, field in Recipe.model_fields.items()}
    named = re.findall(r"`(\w+)\.(\w+)(?:\.(\w+))?", text)
    found = [names for names in named if names[0] in sections and names[1] not in NOT_FIELDS]
    for section, field, inner in found:
        fields = {known.alias or key: known for key, known in sections[section].model_fields.items()}
        assert field in fields, f"{section}.{field}"
        kinds = get_args(fields[field].annotation) or (fields[field].annotation,)  # `Lora | None` is two
        below = {name for kind in kinds for name in getattr(kind, "model_fields", {})}
        assert not inner or inner in below, f"{section}.{field}.{inner}"
    return len(found)
