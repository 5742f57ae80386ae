"""Faults of the adapter for NumPyro."""

from fault import Fault

NUMPYRO_FAULTS: list[Fault] = []
