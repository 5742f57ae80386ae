"""Histories of optimizations that follow each other."""

from collections.abc import Mapping

import numpy as np


def joined(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Two histories as one; running totals continue from the end of the first.

    A history without checks has empty arrays of one axis, also where others have an axis of chains.
    """
    running = ("iteration", "gradient_evaluations", "seconds")
    return {
        name: _in_turn(
            values, second[name] + (values[-1] if name in running and len(values) else 0)
        )
        for name, values in first.items()
    }


def _in_turn(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One array after the other, without empty ones."""
    if not len(first) or not len(second):
        return first if len(first) else second
    return np.concatenate([first, second])
