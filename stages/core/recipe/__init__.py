"""Recipes: one YAML file describes a run, and every value has a meaning, a unit and a source."""

from stages.core.recipe.load import dump, find_recipe, known_recipes, load, prompt_folder, shared_folder
from stages.core.recipe.schema import Recipe

__all__ = ["Recipe", "dump", "find_recipe", "known_recipes", "load", "prompt_folder", "shared_folder"]
