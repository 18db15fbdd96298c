"""Pages: HTML files that need no other file and no network, and run only their own script."""

from stages.core.pages.page import environment, fill, mark_of, picture_url, publish, refuse_foreign

__all__ = ["environment", "fill", "mark_of", "picture_url", "publish", "refuse_foreign"]
