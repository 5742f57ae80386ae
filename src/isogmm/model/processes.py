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
    return int(multihost_utils.broadcast_one_to_all(np.int32(seed)))
