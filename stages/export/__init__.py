"""export: a checkpoint as a model that anybody can load, or the pairs of a games folder as a data set, with a card."""

from stages.export.model import export_model
from stages.export.stage import run

__all__ = ["export_model", "run"]
