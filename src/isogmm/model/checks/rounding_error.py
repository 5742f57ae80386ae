"""The rounding error of a log density near its draws."""

import numpy as np
from jaxtyping import Float

from isogmm.model.target import Target

#: Neighbors of each position, and largest number of positions and of their coordinates.
NUM_NEIGHBORS, MAX_POSITIONS, MAX_NUMBERS = 8, 32, 2_000_000


def rounding_error(target: Target, positions: Float[np.ndarray, "n d"]) -> float:
    """Standard deviation of the log density under rounding, in nats.

    Each coordinate is changed by one unit in the last place, up or down at random.  This shows the
    rounding errors inside the log density, and those of coordinates whose spacing is not small
    compared with the width of the posterior.

    Parameters
    ----------
    target
        The target.
    positions
        Positions in the typical set (n, d).

    Returns
    -------
    float
        The median of the standard deviations at the positions.
    """
    count = MAX_NUMBERS // (NUM_NEIGHBORS * target.dim)
    count = max(1, min(count, MAX_POSITIONS, len(positions)))
    chosen = np.linspace(0, len(positions) - 1, count).astype(int)
    rounded = positions[chosen].astype(np.float32 if target.single_precision else np.float64)
    signs = np.random.default_rng(0).choice([-1, 1], size=(NUM_NEIGHBORS, *rounded.shape))
    neighbors = rounded + signs.astype(rounded.dtype) * np.spacing(np.abs(rounded))
    values = target.values(neighbors.astype(np.float64))
    values = values[:, np.isfinite(values).all(axis=0)]
    return float(np.median(values.std(axis=0))) if values.size else 0.0
