"""Distances between samples as a whole: sliced Wasserstein and maximum mean discrepancy.

Both work on scalars standardized by the reference (its mean is 0, its standard deviation 1), so
that the scale of a scalar has no influence.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

#: Number of random directions of the sliced Wasserstein distance.
DIRECTIONS = 100
#: Number of pairs of bootstrap samples from which the floor of that distance is computed.
PAIRS = 20
#: Draws in each of these bootstrap samples.
PAIR_SIZE = 1000
#: Largest number of draws of each sample in the discrepancy, whose cost is quadratic.
KERNEL_ROWS = 1000


def directions(dim: int, generator: np.random.Generator) -> Float[np.ndarray, "p l"]:
    """Directions uniform on the unit sphere, as columns; for p = 1 the only axis."""
    if dim == 1:
        return np.ones((1, 1))
    normal = generator.standard_normal((dim, DIRECTIONS))
    return normal / np.linalg.norm(normal, axis=0)


def sliced_wasserstein(first: Float[np.ndarray, "n l"], second: Float[np.ndarray, "m l"]) -> float:
    """Sliced 2-Wasserstein distance of projected samples (Rabin et al. 2012).

    SW₂² = E_θ ∫ (F⁻¹(u) - G⁻¹(u))² du, the mean over the directions θ of the columns.  The
    integral is a sum over the quantile levels of the smaller sample; it is exact for samples of
    equal size.
    """
    size = min(len(first), len(second))
    levels = (np.arange(size) + 0.5) / size
    quantiles = [
        np.sort(sample, axis=0)[(levels * len(sample)).astype(int)] for sample in (first, second)
    ]
    return float(np.sqrt(np.mean((quantiles[0] - quantiles[1]) ** 2)))


def sliced_noise(projected: Float[np.ndarray, "m l"], generator: np.random.Generator) -> float:
    """Median distance of two samples of the same distribution, divided by √(1/n + 1/n').

    It is estimated from pairs of bootstrap samples.
    """
    found = [
        sliced_wasserstein(
            projected[generator.integers(len(projected), size=PAIR_SIZE)],
            projected[generator.integers(len(projected), size=PAIR_SIZE)],
        )
        for _ in range(PAIRS)
    ]
    return float(np.median(found) / np.sqrt(2.0 / PAIR_SIZE))


def thinned(rows: Float[np.ndarray, "m p"], size: int) -> Float[np.ndarray, "n p"]:
    """Evenly spaced rows."""
    return rows[np.linspace(0, len(rows) - 1, size).round().astype(int)]


def bandwidth(rows: Float[np.ndarray, "n p"]) -> float:
    """2 h² of the kernel: the median squared distance between draws of the reference."""
    squared = _squared_distances(rows, rows)
    return float(np.median(squared[np.triu_indices(len(rows), 1)]))


class Discrepancy(NamedTuple):
    """An unbiased estimate of MMD².

    ``se`` is its standard error, ``floor`` the standard error for draws of the reference's own
    distribution.
    """

    value: float
    se: float
    floor: float


def maximum_mean_discrepancy(
    rows: Float[np.ndarray, "n p"], reference: Float[np.ndarray, "n p"], width: float
) -> Discrepancy:
    """Unbiased MMD² with the kernel exp(-|x - y|² / width) (Gretton et al. 2012, lemma 6).

    It is a U-statistic of h_ij = k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i), so it
    may be negative.  Its variance is 4(n-2)/(n(n-1)) ζ₁ + 2/(n(n-1)) ζ₂, where ζ₁ is the
    variance of E[h_ij | i] and ζ₂ the variance of h_ij.  For equal distributions ζ₁ = 0 and
    ζ₂ = 4 E[k̃²] with the centered kernel k̃; this gives the floor.
    """
    n = len(rows)
    outside = ~np.eye(n, dtype=bool)
    pairs = n * (n - 1)
    within = _kernel(reference, reference, width)
    across = _kernel(rows, reference, width)
    h = _kernel(rows, rows, width) + within - across - across.T
    value = h[outside].mean()
    second = h[outside].var()
    row_means = np.where(outside, h, 0.0).sum(axis=1) / (n - 1)
    first = max((row_means.var(ddof=1) - second / (n - 1)) * (n - 1) / max(n - 2, 1), 0.0)
    se = np.sqrt(4 * (n - 2) / pairs * first + 2 / pairs * second)
    columns = within.mean(axis=0)
    centered = within - columns - columns[:, None] + within.mean()
    floor = np.sqrt(8 * np.mean(centered[outside] ** 2) / pairs)
    return Discrepancy(float(value), float(se), float(floor))


def _squared_distances(
    first: Float[np.ndarray, "n p"], second: Float[np.ndarray, "m p"]
) -> Float[np.ndarray, "n m"]:
    squared = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2.0 * first @ second.T
    return np.maximum(squared, 0.0)


def _kernel(
    first: Float[np.ndarray, "n p"], second: Float[np.ndarray, "m p"], width: float
) -> Float[np.ndarray, "n m"]:
    return np.exp(-_squared_distances(first, second) / width)
