"""outside: the start model's answers to prompts outside the game, which hold the policy to it."""

from stages.outside.stage import run

__all__ = ["run"]
