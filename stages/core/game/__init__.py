"""The rules of "Who is the spy?": dealing, turns, prompts, reading answers. Pure functions, no torch."""
