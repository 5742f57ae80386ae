"""Decisions of several processes that share the data of a fit: those of process 0 count."""

import numpy as np
from jax.experimental import multihost_utils

from isogmm.model.target import Target


def agreed_seconds(target: Target, seconds: float) -> float:
    """Seconds by the clock of process 0; they are exact to 7 digits."""
    if not target.spans_processes:
        return seconds
    return float(multihost_utils.broadcast_one_to_all(np.float32(seconds)))


def agreed_seed(target: Target, seed: int) -> int:
    """The seed of process 0, which differs from that of the others if the user gave none."""
    if not target.spans_processes:
        return seed
    # JAX has no integers of 64 bits in single precision.
    words = np.array([seed >> 32, seed & 0xFFFFFFFF], dtype=np.uint32)
    high, low = np.asarray(multihost_utils.broadcast_one_to_all(words)).tolist()
    return (high << 32) | low
