"""Histories of optimizations that follow each other."""

from collections.abc import Mapping

import numpy as np


def joined(
    first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Two histories as one; running totals continue from the end of the first."""
    running = ("iteration", "gradient_evaluations", "seconds")
    return {
        name: np.concatenate(
            [values, second[name] + (values[-1] if name in running and len(values) else 0)]
        )
        for name, values in first.items()
    }
