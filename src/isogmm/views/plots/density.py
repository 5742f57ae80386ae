"""Density estimates for pictures, in one dimension and in two."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from scipy import fft, ndimage, optimize

#: Points of the grids, the latter along each side.
GRID, PLANE_GRID = 512, 200


def density(values: Float[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
    """A grid over the draws' range and their density on it.

    A Gaussian kernel by diffusion: the cosine transform of a histogram is damped by
    exp(-π² j² t / 2), which reflects mass at the ends, so that a positive variable keeps its
    mass; √t is the bandwidth of Botev, Grotowski & Kroese (2010), which resolves modes.
    """
    low, high = float(values.min()), float(values.max())
    span = max(high - low, 1e-12 * max(abs(low), abs(high)), 1e-300)
    counts, edges = np.histogram(values, GRID, range=(low - 1e-3 * span, high + 1e-3 * span))
    transform = fft.dct(counts / counts.sum())
    # Draws that repeat, as particles do, know no more than the distinct ones.
    time = _bandwidth(transform[1:] / 2.0, len(np.unique(values)))
    damped = transform * np.exp(-0.5 * (np.pi * np.arange(GRID)) ** 2 * time)
    width = edges[1] - edges[0]
    return 0.5 * (edges[:-1] + edges[1:]), np.maximum(fft.idct(damped), 0.0) / width


def _bandwidth(coefficients: np.ndarray, number: int) -> float:
    """The squared bandwidth t, on a unit interval: the fixed point of t = ξ γ⁽⁵⁾(t)."""
    squares, order = coefficients**2, np.arange(1, len(coefficients) + 1, dtype=float) ** 2

    def roughness(power: int, time: float) -> float:
        total = np.sum(order**power * squares * np.exp(-order * np.pi**2 * time))
        return float(2.0 * np.pi ** (2 * power) * total)

    def excess(time: float) -> float:
        norm = roughness(7, time)
        for power in range(6, 1, -1):
            odd = np.prod(np.arange(1.0, 2 * power, 2)) / np.sqrt(2 * np.pi)
            factor = (1 + 0.5 ** (power + 0.5)) / 3
            step = (2 * factor * odd / number / norm) ** (2 / (3 + 2 * power))
            norm = roughness(power, step)
        return float(time - (2 * number * np.sqrt(np.pi) * norm) ** -0.4)

    with np.errstate(all="ignore"):
        for upper in (0.01, 0.1, 1.0):
            if np.isfinite(excess(upper)) and excess(1e-9) < 0 < excess(upper):
                return float(optimize.brentq(excess, 1e-9, upper))
    # Draws on few distinct values have no such root: a fiftieth of the range.
    return 0.02**2


def plane_density(
    points: Float[np.ndarray, "n 2"], low: np.ndarray, high: np.ndarray, shares: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Grids of both axes, the density on them, and its levels around these shares of the draws.

    The kernel of :func:`density` along the principal axes of the draws, wider by n^(1/30), as
    the best bandwidth shrinks with n^(-1/6) here.  The region above a level is the smallest
    that holds its share.
    """
    center = points.mean(axis=0)
    axes = np.linalg.svd(points - center, full_matrices=False)[2]
    turned = (points - center) @ axes.T
    reach = np.ptp(turned, axis=0) + 1e-300
    start, size = turned.min(axis=0) - 0.1 * reach, 1.2 * reach
    ranges = np.stack([start, start + size], axis=1)
    counts = np.histogram2d(turned[:, 0], turned[:, 1], bins=PLANE_GRID, range=ranges)[0]
    transform = fft.dctn(counts / counts.sum())
    frequencies = (np.pi * np.arange(PLANE_GRID)) ** 2
    for axis in (0, 1):
        marginal = np.histogram(turned[:, axis], GRID, range=ranges[axis])[0] / len(turned)
        time = _bandwidth(fft.dct(marginal)[1:] / 2.0, len(turned)) * len(turned) ** (1 / 15)
        damping = np.exp(-0.5 * frequencies * time)
        transform = transform * (damping[:, None] if axis == 0 else damping)
    smooth = np.maximum(fft.idctn(transform), 0.0)
    ordered = np.sort(smooth.ravel())[::-1]
    mass = np.cumsum(ordered) / ordered.sum()
    levels = ordered[np.searchsorted(mass, np.asarray(shares)).clip(max=len(ordered) - 1)]
    first, second = (np.linspace(low[axis], high[axis], PLANE_GRID) for axis in (0, 1))
    mesh = np.stack([part.ravel() for part in np.meshgrid(first, second)], axis=1)
    places = ((mesh - center) @ axes.T - start) / size * PLANE_GRID - 0.5
    height = ndimage.map_coordinates(smooth, places.T, order=1, mode="constant")
    return first, second, height.reshape(PLANE_GRID, PLANE_GRID), levels
