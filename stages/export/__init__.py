"""export: the pairs of a games folder as a data set for the Hugging Face hub, with its card."""

from stages.export.stage import run

__all__ = ["run"]
