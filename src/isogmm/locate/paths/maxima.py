"""Local maxima at the ends of optimization paths."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI
from isogmm.locate.gaussian.factors import Factor, log_det, map_of, standardize
from isogmm.locate.paths.candidates import candidate_at_end
from isogmm.locate.paths.lbfgs import Path, follow_paths
from isogmm.locate.paths.mode_shape import ModeShape
from isogmm.locate.roughness import is_rough
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.target import Target

#: Distance between two means below which they belong to one mode, in standard deviations.
MIN_MODE_DISTANCE_SD = 2.0
#: A path ends early if an iterate is closer than this to a known maximum, in standard deviations,
#: and its log density is lower by less than this number of nats.
MAX_KNOWN_DISTANCE_SD, MAX_KNOWN_DEFICIT_NATS = 1.0, 1.0
#: Root mean square of the gradient at a local maximum, in units of its standard deviations.
MAX_STANDARDIZED_GRADIENT = 0.05
#: Smallest standard deviation of any direction at a local maximum, in units in the last place of
#: the coordinates.
MIN_UNITS_PER_SD = 4.0
#: Where the log density is rough, it may fall this many times faster than the Laplace approximation
#: says, over ``DROP_STEP`` standard deviations in random directions.  The ratio was above 10^6 near
#: scale zero of a hierarchy.
MAX_DROP_RATIO, DROP_STEP, NUM_DROPS = 1000.0, 0.1, 8
#: Dip of the log density between two modes, in nats, and the number of points on the line between
#: them where it is evaluated.
MIN_DIP_NATS, NUM_LINE_POINTS = 1.0, 17
#: Largest number of evaluations of the path that continues from an end with a larger gradient.
NUM_POLISHING_EVALUATIONS = 50


@dataclass
class LocalMaximum:
    """A local maximum of the log density with its Laplace approximation.

    Parameters
    ----------
    position, log_density
        The maximum.
    factor
        Factor L of the inverse Hessian of -log π.
    laplace
        Laplace estimate log π(x) + d/2 log 2π + log det L of the log mass of the mode.
    count
        Number of starting points whose paths ended here.
    elbo
        ELBO of a Gaussian fitted from here, a lower bound of the log mass; None if not known.
    num_from_own
        How many of the starting points lay around this maximum.
    reach
        Value that the ELBO may reach after more iterations.
    shape
        A fitted Gaussian and the axes along which the mode differs from it; None if not known.
    is_widened
        Whether the factor is that of a fitted Gaussian, because the maximum lies at a kink.
    """

    position: Float[np.ndarray, " d"]
    factor: Factor
    log_density: float
    laplace: float
    count: int = 1
    elbo: float | None = None
    num_from_own: int = 0
    reach: float = -np.inf
    shape: ModeShape | None = None
    is_widened: bool = False

    @property
    def independent_count(self) -> int:
        """Number of starting points elsewhere whose paths ended here."""
        return self.count - self.num_from_own

    @property
    def log_mass(self) -> float:
        """The better of the two estimates of the log mass.

        The Laplace estimate is far too low at the mode of a funnel, which lies in its neck: by 16
        nats in 12 dimensions, and by 40 in 24.
        """
        return self.laplace if self.elbo is None else max(self.laplace, self.elbo)

    def distance(self, position: Float[np.ndarray, " d"]) -> float:
        """‖L⁻¹ (x - m)‖, in standard deviations."""
        shift = standardize(self.factor, position - self.position)
        return float(np.sqrt((shift**2).sum()))

    def is_within(self, position: Float[np.ndarray, " d"], limit: float) -> bool:
        """Whether the distance is below a limit.

        The distance is at least the largest distance along a coordinate, in units of its standard
        deviation, which excludes most positions at little cost.
        """
        if self.factor.ndim == 1:
            return self.distance(position) < limit
        if (np.abs(position - self.position) > limit * self.sds).any():
            return False
        return self.distance(position) < limit

    @functools.cached_property
    def sds(self) -> Float[np.ndarray, " d"]:
        """Standard deviations of the coordinates; the factor of a dense form does not change."""
        return np.sqrt((self.factor**2).sum(axis=1))

    def is_near(self, position: Float[np.ndarray, " d"], log_density: float) -> bool:
        """Whether a path with this iterate is likely to end here.

        An iterate above the maximum belongs to another, higher one.
        """
        deficit = self.log_density - log_density
        is_close = 0.0 <= deficit < MAX_KNOWN_DEFICIT_NATS
        return is_close and self.is_within(position, MAX_KNOWN_DISTANCE_SD)


def is_near_any(
    maxima: Sequence[LocalMaximum], position: Float[np.ndarray, " d"], log_density: float
) -> bool:
    """Whether a path with this iterate is likely to end at one of the maxima."""
    return any(maximum.is_near(position, log_density) for maximum in maxima)


class _Deferred(NamedTuple):
    """A path that is to go on in the coordinates of the Laplace approximation at its end."""

    path: Path
    coordinates: AffineMap


def add_paths(target: Target, maxima: list[LocalMaximum], paths: Sequence[Path]) -> None:
    """Add the ends of paths to the maxima, or count them with those that they have reached.

    An end with a large gradient is no maximum.  The optimizer stops there if the log density rises
    by less than its rounding error along the next step.  In the coordinates of the Laplace
    approximation it often goes on; otherwise the end is left out.  Such ends occur near scale
    zero of a hierarchy, or in a direction in which the density is improper.  All these paths go on
    together, after the others, so that their evaluations form batches.

    An end that rounding errors have made is not a maximum either.  Near scale zero of a hierarchy
    the log density rises without bound, but its values at rounded positions have maxima.  Two such
    ends kept a search going for 440,000 gradients, and correct fits were called unreliable.

    Beyond ``MAX_DENSE_DIM`` dimensions an end without a dip of the log density towards a known
    maximum belongs to it, and takes its place if it is higher.  The standard deviations of single
    coordinates given all others are no measure of a distance there: paths to the only mode of a
    Gaussian with 2,000 correlated coordinates stopped many of them apart.
    """
    deferred: list[_Deferred] = []
    for path in paths:
        if _count(maxima, path.end):
            continue
        factor = candidate_at_end(target, path).factor
        if path.converged and _slope(path, factor) > MAX_STANDARDIZED_GRADIENT:
            deferred.append(_Deferred(path, map_of(path.end, factor)))
        else:
            _add_end(target, maxima, path, factor)
    while deferred := [one for one in deferred if not _count(maxima, one.path.end)]:
        first = _distinct(deferred)
        seconds = follow_paths(
            target,
            np.stack([deferred[index].path.end for index in first]),
            NUM_POLISHING_EVALUATIONS,
            affine_map=[deferred[index].coordinates for index in first],
        )
        for second in seconds:
            if second is not None and not _count(maxima, second.end):
                _add_end(target, maxima, second, candidate_at_end(target, second).factor)
        deferred = [one for index, one in enumerate(deferred) if index not in first]


def _distinct(deferred: Sequence[_Deferred]) -> list[int]:
    """Indices of paths whose ends are apart, so that they are likely to end in several maxima."""
    found: list[int] = []
    for index, one in enumerate(deferred):
        positions = [deferred[other].coordinates.inverse(one.path.end) for other in found]
        if all(np.linalg.norm(z) >= MIN_MODE_DISTANCE_SD for z in positions):
            found.append(index)
    return found


def _add_end(target: Target, maxima: list[LocalMaximum], path: Path, factor: Factor) -> None:
    """Add the end of a path to the maxima if it is one; the factor is that of its Gaussian."""
    if _slope(path, factor) > MAX_STANDARDIZED_GRADIENT:
        return
    if not (_is_wide_enough(target, path.end, factor) and _is_like_laplace(target, path, factor)):
        return
    log_density = float(path.log_density[-1])
    log_mass = float(log_density + 0.5 * target.dim * LOG_2PI + log_det(factor))
    if target.dim > MAX_DENSE_DIM:
        for maximum in maxima:
            if is_dip_between(target, maximum, path.end):
                continue
            maximum.count += 1
            if log_density > maximum.log_density:
                maximum.position, maximum.factor = path.end, factor
                maximum.log_density, maximum.laplace = log_density, log_mass
            return
    maxima.append(LocalMaximum(path.end, factor, log_density, log_mass))


def is_dip_between(
    target: Target,
    maximum: LocalMaximum,
    position: Float[np.ndarray, " d"],
    min_dip: float = MIN_DIP_NATS,
) -> bool:
    """Whether the log density falls by ``min_dip`` nats between a maximum and another position."""
    fractions = np.linspace(0.0, 1.0, NUM_LINE_POINTS)[1:, None]
    values = target.values(maximum.position + fractions * (position - maximum.position))
    lower = min(maximum.log_density, float(values[-1]))
    return not bool(values.min() >= lower - min_dip)


def _count(maxima: Sequence[LocalMaximum], end: Float[np.ndarray, " d"]) -> bool:
    """Count the end of a path with the maximum that it has reached; False if there is none."""
    if maxima and maxima[0].factor.ndim == 2:  # all at once, because there can be hundreds
        shifts = np.abs(end - np.array([maximum.position for maximum in maxima]))
        sds = np.array([maximum.sds for maximum in maxima])
        near = np.flatnonzero((shifts <= MIN_MODE_DISTANCE_SD * sds).all(axis=1))
        maxima = [maxima[int(index)] for index in near]
    for maximum in maxima:
        if maximum.is_within(end, MIN_MODE_DISTANCE_SD):
            maximum.count += 1
            return True
    return False


def _slope(path: Path, factor: Factor) -> float:
    """Root mean square of the gradient at the end of a path, in coordinates of the factor L."""
    gradient = path.gradients[-1]
    slope = factor * gradient if factor.ndim == 1 else gradient @ factor
    return float(np.sqrt((slope**2).mean()))


def _is_wide_enough(target: Target, position: Float[np.ndarray, " d"], factor: Factor) -> bool:
    """Whether all standard deviations are larger than the rounding errors of the coordinates."""
    dtype = np.float32 if target.single_precision else np.float64
    sds = factor if factor.ndim == 1 else np.sqrt((factor**2).sum(axis=1))
    # The floor avoids an overflow: a coordinate of zero has no rounding error.
    units = np.maximum(np.spacing(np.abs(position).astype(dtype)).astype(np.float64), 1e-12 * sds)
    if factor.ndim == 1:
        return bool(np.all(sds >= MIN_UNITS_PER_SD * units))
    smallest = np.linalg.svd(factor / units[:, None], compute_uv=False)[-1]
    return bool(smallest >= MIN_UNITS_PER_SD)


def _is_like_laplace(target: Target, path: Path, factor: Factor) -> bool:
    """Whether the log density falls about as fast as the Laplace approximation, if it is rough."""
    end, log_density = path.end[None], path.log_density[-1:]
    if not is_rough(target, end, log_density, path.gradients[-1:])[0]:
        return True
    noise = DROP_STEP * np.random.default_rng(0).standard_normal((NUM_DROPS, target.dim))
    shifts = noise * factor if factor.ndim == 1 else noise @ factor.T
    drops = log_density - target.values(end + shifts)
    return bool(np.nanmedian(drops / (0.5 * (noise**2).sum(axis=1))) < MAX_DROP_RATIO)


def unseen_probability(maxima: Sequence[LocalMaximum], num_paths: int | None = None) -> float:
    """Good-Turing estimate of the probability that the next path ends in a new mode.

    The share of paths whose mode no other path has reached (Good 1953).

    Parameters
    ----------
    maxima
        Local maxima; those of negligible mass are left out.
    num_paths
        Number of all paths; by default those that ended in these maxima.
    """
    total = sum(maximum.count for maximum in maxima) if num_paths is None else num_paths
    return sum(maximum.count == 1 for maximum in maxima) / total if total else 0.0
