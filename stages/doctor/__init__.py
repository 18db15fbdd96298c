"""doctor: checks a set-up: versions, GPU, memory, extras, and what a recipe's model needs."""

from stages.doctor.environment import Finding, examine, examine_model

__all__ = ["Finding", "examine", "examine_model"]
