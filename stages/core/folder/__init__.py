"""A stage's output folder: atomic, locked, resumable, hashed, described by a manifest."""
