"""Points on spheres around a mode whose log density the known modes do not explain.

In the coordinates of an elliptical mode, its log density is constant on every sphere around its
center.  A narrow mode elsewhere raises it only in a few directions.  Points are compared with the
others on their sphere, so that no model of the tails is needed.  Values without gradients suffice,
so many points are affordable.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.ndimage import median_filter, uniform_filter1d

from isogmm.mixtures.affine_map import AffineMap

#: Radii of the spheres, in standard deviations of the mode.  Of nine random targets whose search
#: had found one mode of several, the others were 4 to 27 sds away.
RADII = np.geomspace(4.0, 28.0, 8)
#: Points with the largest excess that are kept on each sphere, and on all of them.
MAX_ON_SPHERE, MAX_CANDIDATES = 8, 32
#: The same if several modes are known.  Where their tails are heavier than those of a Gaussian,
#: points near them have an excess too.  Of four random targets, on which 8 and 32 points found all
#: modes in 2 of 8 searches, these found them in 5, and 128 and 1,024 points in as many.
MAX_IF_SEVERAL = 32, 192
#: Nats by which the log density exceeds that of a known mode where this does not explain it.
MIN_UNEXPLAINED = 1.0
#: Smallest number of finite values on a sphere, far above the largest number of dimensions.
MIN_FINITE = 500
#: Share of the spread of the values on a sphere that a linear function of the direction must
#: explain for the values to be compared along it.
MIN_LINEAR_SHARE = 0.3
#: Number of neighbors along the direction whose values give the expected one.
NUM_NEIGHBORS = 101
#: Spreads beyond which a value does not enter the expected ones, and the ratio of the standard
#: deviation to the median deviation of normal values.
MAX_SPREADS, SD_PER_DEVIATION = 4.0, 1.48
#: Rounding error of a value, relative to the largest value on the sphere.
RELATIVE_ROUNDING = 3e-8
#: Smallest spread and variance, against divisions by zero.
TINY = 1e-12


class Candidates(NamedTuple):
    """Points (k, d) and their log densities (k,), the largest excess first."""

    points: Float[np.ndarray, "k d"]
    log_density: Float[np.ndarray, " k"]


def spread(values: Float[np.ndarray, " n"]) -> float:
    """Median absolute deviation."""
    return float(np.median(np.abs(values - np.median(values))))


def excess_on_sphere(
    units: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    others: Float[np.ndarray, " n"] | None = None,
) -> tuple[Float[np.ndarray, " n"], float]:
    """Log density of each point minus the expected one on its sphere, and the spread of it.

    The expected one is the median.  A skewed mode or a funnel varies along one direction: where a
    linear function explains a part of the values, the expected one is the local mean along the
    direction of its gradient.  The excess is -inf where the log density is not finite, and where
    another known mode explains it.

    Parameters
    ----------
    units
        (n, d): directions of unit length.
    log_density
        (n,): log densities at the points in these directions.
    others
        (n,): log densities of the other known modes there; None if there are none.
    """
    found = np.full(len(units), -np.inf)
    finite = np.isfinite(log_density)
    if others is not None:
        finite &= others < log_density - MIN_UNEXPLAINED
    if finite.sum() < MIN_FINITE:
        return found, 1.0
    values, units = log_density[finite], units[finite]
    rest = values - np.median(values)
    limited = _limited(rest, 0.0)
    # The directions are uniform, so their second moments are well-conditioned.
    slope = np.linalg.solve(units.T @ units, units.T @ (limited - limited.mean()))
    length = np.linalg.norm(slope)
    if (units @ slope).std() > MIN_LINEAR_SHARE * limited.std():
        rest = _without_trend(units @ slope / length, rest)
    found[finite] = rest
    rounding = RELATIVE_ROUNDING * float(np.abs(values).max())
    return found, SD_PER_DEVIATION * spread(rest) + rounding + TINY


def _limited(
    values: Float[np.ndarray, " n"], centers: Float[np.ndarray, " n"] | float
) -> Float[np.ndarray, " n"]:
    """Values without their outliers, which are moved toward the centers."""
    width = MAX_SPREADS * (float(np.median(np.abs(values - centers))) + TINY)
    return np.clip(values, centers - width, centers + width)


def _without_trend(
    along: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Residuals of a local linear fit of the values along one direction."""
    order = np.argsort(along)
    x, y = along[order], values[order]

    def mean(array: np.ndarray) -> np.ndarray:
        return uniform_filter1d(array, NUM_NEIGHBORS, mode="nearest")

    limited = _limited(y, median_filter(y, NUM_NEIGHBORS, mode="nearest"))
    center, level = mean(x), mean(limited)
    slope = (mean(x * limited) - center * level) / np.maximum(mean(x * x) - center**2, TINY)
    found = np.empty(len(values))
    found[order] = y - level - slope * (x - center)
    return found


def most_unexpected(
    own: AffineMap,
    radii: Float[np.ndarray, " s"],
    units: Float[np.ndarray, "s n d"],
    log_density: Float[np.ndarray, "s n"],
    others: Float[np.ndarray, "s n"] | None = None,
) -> Candidates:
    """The points with the largest excess, in units of its spread.

    Parameters
    ----------
    own
        The coordinates of the mode.
    radii, units, log_density
        (s,), (s, n, d), (s, n): radii of the spheres, directions, and the log densities there.
    others
        (s, n): log densities of the other known modes there; None if there are none.
    """
    most_on_sphere, most = (MAX_ON_SPHERE, MAX_CANDIDATES) if others is None else MAX_IF_SEVERAL
    scores, points, values = [], [], []
    for index, (radius, rows, heights) in enumerate(zip(radii, units, log_density, strict=True)):
        excess, scale = excess_on_sphere(rows, heights, None if others is None else others[index])
        top = np.argsort(-excess)[:most_on_sphere]
        top = top[np.isfinite(excess[top])]
        scores.append(excess[top] / scale)
        points.append(own.forward(radius * rows[top]))
        values.append(heights[top])
    order = np.argsort(-np.concatenate(scores))[:most]
    return Candidates(np.concatenate(points)[order], np.concatenate(values)[order])
