"""The gallery: the pairs of a games folder on one self-contained page."""

from stages.inspect.gallery.page import make

__all__ = ["make"]
