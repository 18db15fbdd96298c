"""Pages: one HTML file each that needs nothing else, and lets nothing in it reach out."""

from stages.core.pages.page import data_url, environment, fill, mark_of, publish, refuse_foreign

__all__ = ["data_url", "environment", "fill", "mark_of", "publish", "refuse_foreign"]
