"""Find the coordinates that are scales of other coordinates, from residuals of draws."""

import numpy as np
from jaxtyping import Bool, Float

#: Largest number of scales in all, and of scales of one child.
MAX_SCALES, MAX_SCALES_PER_CHILD = 20, 2
#: A child supports a candidate scale if its squared z-score exceeds this.
MIN_SUPPORT_SQUARED_Z = 6.0
#: A scale that other children support is used for a child if its squared z-score exceeds this.
MIN_USE_SQUARED_Z = 1.0
#: Gain of the log likelihood, in nats per draw and summed over its children, that a scale needs.
MIN_GAIN = 0.1
#: Logs of squared residuals are bounded below by this quantile.
MIN_LOG_QUANTILE = 0.01


def find_scales(
    points: Float[np.ndarray, "n d"], residuals: Float[np.ndarray, "n d"], num_independent: int
) -> list[list[int]]:
    """The scales of each coordinate; a scale has none itself.

    Coordinate j is a scale of coordinate i (its child) if log e_i² depends on x_j.  Scales are
    added one by one, the one with the largest gain of the log likelihood first; the residuals of
    its children are then divided by it.

    Parameters
    ----------
    points
        Standardized draws.
    residuals
        e_i, the residuals of each coordinate given all others; changed in place.
    num_independent
        Number of independent draws that they are worth.
    """
    count, dim = points.shape
    scales_of: list[list[int]] = [[] for _ in range(dim)]
    scales: list[int] = []
    # log z² of a standard normal z has variance π²/2.
    standard_error = np.pi / np.sqrt(2.0 * num_independent)
    while len(scales) < MAX_SCALES:
        logs = np.log(residuals**2 + 1e-300)
        logs = np.maximum(logs, np.quantile(logs, MIN_LOG_QUANTILE, axis=0))
        # Slopes of the child (column) on the scale (row).
        slopes = points.T @ (logs - logs.mean(axis=0)) / count
        squared_z = (slopes / standard_error) ** 2
        is_possible = _possible_pairs(scales, scales_of)
        # A log-linear scale with exponent a gains a² nats; slopes are those of the square, 2a.
        is_supporting = is_possible & (squared_z > MIN_SUPPORT_SQUARED_Z)
        gains = np.where(is_supporting, 0.25 * slopes**2, 0.0)
        scale = int(np.argmax(gains.sum(axis=1)))
        if gains[scale].sum() < MIN_GAIN:
            break
        sign = np.sign((gains[scale] * slopes[scale]).sum())
        is_used = is_possible[scale] & (squared_z[scale] > MIN_USE_SQUARED_Z)
        scales.append(scale)
        for child in np.flatnonzero(is_used & (sign * slopes[scale] > 0)):
            scales_of[child].append(scale)
            residuals[:, child] *= np.exp(-0.5 * slopes[scale, child] * points[:, scale])
    return scales_of


def _possible_pairs(found: list[int], scales_of: list[list[int]]) -> Bool[np.ndarray, "d d"]:
    """Which coordinates (rows) may become scales of which children (columns)."""
    is_possible = ~np.eye(len(scales_of), dtype=bool)
    is_possible[found] = is_possible[:, found] = False
    is_possible[[bool(scales) for scales in scales_of]] = False
    is_possible[:, [len(scales) == MAX_SCALES_PER_CHILD for scales in scales_of]] = False
    return is_possible
