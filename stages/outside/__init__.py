"""outside: collects the start model's answers to prompts outside the game, which keep the policy close to it."""

from stages.outside.stage import run

__all__ = ["run"]
