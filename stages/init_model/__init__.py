"""`vz init-model`: makes vz's own tiny vision–language model, with a short supervised start."""

from stages.init_model.stage import run

__all__ = ["run"]
