"""Faults of the recipe and of studies."""

from fault import Fault

RECIPE_FAULTS: list[Fault] = []
