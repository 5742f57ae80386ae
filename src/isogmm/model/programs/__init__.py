"""Compiled programs of a model: sizes, costs, precision, devices."""
