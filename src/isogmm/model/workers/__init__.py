"""Evaluation of a model by the workers of an executor."""
