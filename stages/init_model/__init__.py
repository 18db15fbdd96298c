"""`vz init-model`: a tiny vision–language model of our own, with a short supervised start."""

from stages.init_model.stage import run

__all__ = ["run"]
