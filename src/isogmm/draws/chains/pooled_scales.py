"""Find the scales of many coordinates above 500 dimensions, from all children together."""

import numpy as np
from jaxtyping import Bool, Float, Int

#: Largest number of scales in all, and of scales of one child.
MAX_SCALES, MAX_SCALES_PER_CHILD = 20, 2
#: Coordinates with the largest pooled slopes that are compared child by child in each round.
NUM_CANDIDATES = 8
#: Smallest pooled slope of a candidate in standard errors.  The largest of 5,000 slopes that differ
#: from zero by chance only is about 4.
MIN_POOLED_Z = 6.0
#: Gain of the log likelihood, in nats per draw and summed over its children, that a scale needs.
MIN_GAIN = 0.1
#: Smallest number of children of a scale.
MIN_CHILDREN = 2
#: The log of χ² with one degree of freedom has the variance π²/2; its 1 % quantile, below which
#: logs of squared residuals are not used.
LOG_VARIANCE, LOWEST_LOG = 0.5 * np.pi**2, -8.76


def find_pooled_scales(
    points: Float[np.ndarray, "n d"],
    residuals: Float[np.ndarray, "n d"],
    is_excluded: Bool[np.ndarray, " d"],
    num_independent: float,
) -> list[list[int]]:
    """The scales of each coordinate; a scale has none itself.

    Coordinate j is a scale of coordinate i (its child) if log e_i² depends on x_j.  The slopes of
    one candidate on all coordinates are added, so that a scale is found where no single child
    determines it.  The slopes of its children are regarded as equal, and those of other coordinates
    as zero: both numbers follow from the sums of the slopes and of their squares.

    Parameters
    ----------
    points
        Standardized draws.
    residuals
        e_i, the residuals of each coordinate given its location; changed in place.
    is_excluded
        Coordinates that are not children.
    num_independent
        Number of independent draws that the logs are worth.
    """
    count, dim = points.shape
    scales_of: list[list[int]] = [[] for _ in range(dim)]
    scales: list[int] = []
    error = np.sqrt(LOG_VARIANCE / num_independent)
    while len(scales) < MAX_SCALES:
        logs = log_squares(residuals)
        logs -= logs.mean(axis=0)
        may_be_child = _may_be_child(scales, scales_of, is_excluded)
        pooled = logs[:, may_be_child].sum(axis=1) @ points / count
        is_child = np.array([bool(each) for each in scales_of])
        pooled[scales], pooled[is_child] = 0.0, 0.0
        largest = np.argsort(-np.abs(pooled))[:NUM_CANDIDATES]
        largest = largest[
            np.abs(pooled[largest]) > MIN_POOLED_Z * error * may_be_child.sum() ** 0.5
        ]
        best_gain, best = MIN_GAIN, None
        for scale in largest:
            slopes = points[:, scale] @ logs / count
            others = may_be_child.copy()
            others[scale] = False
            slope, children = _children(slopes, others, error)
            # A log-linear scale with exponent a gains a² nats; slopes are those of the square, 2a.
            gain = 0.25 * len(children) * slope**2
            if len(children) >= MIN_CHILDREN and gain > best_gain:
                best_gain, best = gain, (int(scale), slope, children)
        if best is None:
            break
        scale, slope, children = best
        scales.append(scale)
        for child in children:
            scales_of[child].append(scale)
        residuals[:, children] *= np.exp(-0.5 * slope * points[:, [scale]])
    return scales_of


def log_squares(residuals: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Logs of squared residuals in units of their variance, bounded below."""
    squares = residuals**2
    return np.maximum(np.log(squares / squares.mean(axis=0) + 1e-300), LOWEST_LOG)


def _may_be_child(
    scales: list[int], scales_of: list[list[int]], is_excluded: Bool[np.ndarray, " d"]
) -> Bool[np.ndarray, " d"]:
    """Coordinates that may become children of another scale."""
    has_room = np.array([len(each) < MAX_SCALES_PER_CHILD for each in scales_of])
    has_room[scales] = False
    return has_room & ~is_excluded


def _children(
    slopes: Float[np.ndarray, " d"], is_possible: Bool[np.ndarray, " d"], error: float
) -> tuple[float, Int[np.ndarray, " c"]]:
    """The common slope of the children of a scale, and the children.

    If k of p slopes are s and the others zero, the slopes add up to k s, and their squares to
    k s² + p σ², with the error σ.  A coordinate is a child where this is more probable.
    """
    index = np.flatnonzero(is_possible)
    total, squares = slopes[index].sum(), (slopes[index] ** 2).sum()
    excess = squares - len(index) * error**2
    if excess <= 0.0 or total == 0.0:
        return 0.0, index[:0]
    slope = excess / total
    num_children = np.clip(total / slope, 1.0, len(index) - 1.0)
    prior = np.log((len(index) - num_children) / num_children)
    limit = 0.5 * np.abs(slope) + error**2 / np.abs(slope) * prior
    return float(slope), index[np.sign(slope) * slopes[index] > limit]
