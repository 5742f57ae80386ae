"""Checks of a model, and its terms that are not finite, in sentences."""
