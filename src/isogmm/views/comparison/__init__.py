"""Comparison of the results of several methods with a reference."""
