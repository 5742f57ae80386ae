"""Density estimates for plots, in one dimension and in two."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import fft, ndimage, optimize

#: Points of the grid in one dimension.
GRID = 512
#: Points of the grid along each axis in two dimensions.
PLANE_GRID = 200
#: Range of the grid beyond the draws, as a share of their range: in one dimension and in two.
MARGIN, PLANE_MARGIN = 1e-3, 0.1
#: Squared bandwidth, relative to the squared range, if the draws take few distinct values and the
#: equation for the bandwidth has no root: a bandwidth of a fiftieth of the range.
DEFAULT_SQUARED_BANDWIDTH = 0.02**2
#: Brackets of the root, as squared bandwidths relative to the squared range.
LOWEST_ROOT, HIGHEST_ROOTS = 1e-9, (0.01, 0.1, 1.0)


def density(values: Float[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
    """A grid over the range of the draws and their density on it.

    The estimate is a Gaussian kernel computed by diffusion: the cosine transform of a histogram
    is multiplied by exp(-π² j² t / 2).  Mass is reflected at both ends, so that the density of a
    positive variable stays normalized.  The bandwidth √t is that of Botev, Grotowski & Kroese
    (2010), which resolves separate modes.
    """
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 1e-12 * max(abs(low), abs(high)), 1e-300)
    counts, edges = np.histogram(values, GRID, range=(low - MARGIN * span, high + MARGIN * span))
    transform = fft.dct(counts / counts.sum())
    # Repeated draws (resampled particles) carry no more information than distinct ones.
    time = _bandwidth(transform[1:] / 2.0, len(np.unique(values)))
    damped = transform * np.exp(-0.5 * (np.pi * np.arange(GRID)) ** 2 * time)
    width = edges[1] - edges[0]
    return 0.5 * (edges[:-1] + edges[1:]), np.maximum(fft.idct(damped), 0.0) / width


def _bandwidth(coefficients: np.ndarray, num_draws: int) -> float:
    """The squared bandwidth t on the unit interval: the fixed point of t = ξ γ⁽⁵⁾(t)."""
    squares, order = coefficients**2, np.arange(1, len(coefficients) + 1, dtype=float) ** 2

    def roughness(power: int, time: float) -> float:
        total = np.sum(order**power * squares * np.exp(-order * np.pi**2 * time))
        return float(2.0 * np.pi ** (2 * power) * total)

    def excess(time: float) -> float:
        norm = roughness(7, time)
        for power in range(6, 1, -1):
            odd = np.prod(np.arange(1.0, 2 * power, 2)) / np.sqrt(2 * np.pi)
            factor = (1 + 0.5 ** (power + 0.5)) / 3
            step = (2 * factor * odd / num_draws / norm) ** (2 / (3 + 2 * power))
            norm = roughness(power, step)
        return float(time - (2 * num_draws * np.sqrt(np.pi) * norm) ** -0.4)

    with np.errstate(all="ignore"):
        for highest in HIGHEST_ROOTS:
            if np.isfinite(excess(highest)) and excess(LOWEST_ROOT) < 0 < excess(highest):
                return float(optimize.brentq(excess, LOWEST_ROOT, highest))
    return DEFAULT_SQUARED_BANDWIDTH


def plane_density(
    points: Float[np.ndarray, "n 2"],
    low: Float[np.ndarray, " 2"],
    high: Float[np.ndarray, " 2"],
    shares: Sequence[float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Highest-density regions of draws in two dimensions.

    The kernel is that of :func:`density` along the principal axes of the draws.  It is wider by
    n^(1/30), because the best bandwidth in two dimensions is proportional to n^(-1/6).

    Parameters
    ----------
    points
        The draws.
    low, high
        Corners of the grid.
    shares
        Probabilities of the regions.

    Returns
    -------
    first, second
        The grid along both axes.
    height
        The density on the grid.
    levels
        For each share the density level whose region is the smallest that holds this share.
    """
    center = points.mean(axis=0)
    axes = np.linalg.svd(points - center, full_matrices=False)[2]
    rotated = (points - center) @ axes.T
    extent = np.ptp(rotated, axis=0) + 1e-300
    start, size = rotated.min(axis=0) - PLANE_MARGIN * extent, (1 + 2 * PLANE_MARGIN) * extent
    smooth = _smooth(rotated, np.stack([start, start + size], axis=1))
    ordered = np.sort(smooth.ravel())[::-1]
    mass = np.cumsum(ordered) / ordered.sum()
    levels = ordered[np.searchsorted(mass, np.asarray(shares)).clip(max=len(ordered) - 1)]
    first, second = (np.linspace(low[axis], high[axis], PLANE_GRID) for axis in (0, 1))
    mesh = np.stack([part.ravel() for part in np.meshgrid(first, second)], axis=1)
    places = ((mesh - center) @ axes.T - start) / size * PLANE_GRID - 0.5
    height = ndimage.map_coordinates(smooth, places.T, order=1, mode="constant")
    return first, second, height.reshape(PLANE_GRID, PLANE_GRID), levels


def _smooth(
    rotated: Float[np.ndarray, "n 2"], ranges: Float[np.ndarray, "2 2"]
) -> Float[np.ndarray, "g g"]:
    """The density along the principal axes, on a grid over these ranges."""
    counts = np.histogram2d(rotated[:, 0], rotated[:, 1], bins=PLANE_GRID, range=ranges)[0]
    transform = fft.dctn(counts / counts.sum())
    frequencies = (np.pi * np.arange(PLANE_GRID)) ** 2
    for axis in (0, 1):
        marginal = np.histogram(rotated[:, axis], GRID, range=ranges[axis])[0] / len(rotated)
        time = _bandwidth(fft.dct(marginal)[1:] / 2.0, len(rotated)) * len(rotated) ** (1 / 15)
        damping = np.exp(-0.5 * frequencies * time)
        transform = transform * (damping[:, None] if axis == 0 else damping)
    return np.maximum(fft.idctn(transform), 0.0)
