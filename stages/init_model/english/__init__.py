"""Lessons in English sentences, for a pretrained language model."""

from stages.init_model.english.lessons import English

__all__ = ["English"]
