"""Faults of the targets, of rows and of samplers."""

from fault import Fault

MODEL_FAULTS: list[Fault] = []
