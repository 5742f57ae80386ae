"""Faults of the results and of views."""

from fault import Fault

RESULTS_FAULTS: list[Fault] = []
