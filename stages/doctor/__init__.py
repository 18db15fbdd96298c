"""Check a set-up: versions, GPU, memory, extras, and what a recipe's model needs."""

from stages.doctor.environment import examine
from stages.doctor.finding import Finding
from stages.doctor.model import examine_model

__all__ = ["Finding", "examine", "examine_model"]
