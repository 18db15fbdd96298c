"""What clues mean, and whether that is true of a scene."""
