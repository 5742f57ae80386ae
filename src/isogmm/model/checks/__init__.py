"""Checks of models, data and arguments before a fit, and messages that name the remedy."""
