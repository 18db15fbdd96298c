"""The `init_model` section: the tiny model that `vz init-model` builds."""

from __future__ import annotations

from pydantic import Field

from stages.core.recipe.base import NO_BYTE, Section


class InitModel(Section):
    """Building the tiny model. Its shape and its teaching are fixed, see `stages/init_model/plan.py`."""

    processes: int = Field(2, ge=1, json_schema_extra=NO_BYTE, description="Processes that render. Changes no byte.")
