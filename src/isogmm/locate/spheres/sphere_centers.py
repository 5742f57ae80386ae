"""Coordinates of the known modes around which spheres are searched."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.arrays import LOG_2PI
from isogmm.locate.directions import directions
from isogmm.locate.gaussian.curvature import gradient_changes
from isogmm.locate.gaussian.factors import factor_of, map_of
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.locate.spheres.excess import spread
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget

#: Largest number of modes around which spheres are searched if several are known.  Around wide
#: modes more directions lead to others.
MAX_CENTERS = 6
#: Points on one sphere that choose between two maps, and its radius in standard deviations.
NUM_TEST_POINTS, TEST_RADIUS = 256, 8.0
#: Ratio of the spreads below which the second map replaces the first, and values that it needs.
MAX_SPREAD_RATIO, MIN_TEST_VALUES = 0.5, 50
#: Step of the differences of gradients at a maximum, in standard deviations.  With a smaller one,
#: rounding errors of single precision change the shape of the map.
STEP = 0.3
#: Radii of the spheres that measure the size of a mode, as multiples of √d, and points on each.
SIZE_RADII, NUM_SIZE_POINTS = np.geomspace(0.2, 6.0, 32), 64


class SphereCenter(NamedTuple):
    """One known mode.

    Parameters
    ----------
    own
        Coordinates of a Gaussian of the mode.
    height
        Log density at its center.
    maximum
        The local maximum of the mode.
    size
        Root mean square √(E ‖z‖² / d) of the draws of the mode in its coordinates.
    """

    own: AffineMap
    height: float
    maximum: LocalMaximum
    size: float = 1.0

    @classmethod
    def of(cls, own: AffineMap, log_mass: float, maximum: LocalMaximum) -> "SphereCenter":
        """The center with a Gaussian of this log mass."""
        height = log_mass - 0.5 * len(own.center) * LOG_2PI - float(own.log_det())
        return cls(own, height, maximum)

    def explained(self, points: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Log density of the Gaussian."""
        return self.height - 0.5 * (self.own.inverse(points) ** 2).sum(axis=1)


def widest_centers(maxima: Sequence[LocalMaximum]) -> list[SphereCenter]:
    """The widest of several modes whose shapes are known.

    The Laplace approximation of a funnel is much narrower than the funnel.  In its units one mode
    of a random target was 1,216 sds away, and its fitted Gaussian showed the way to two others.
    """
    centers = [
        SphereCenter.of(maximum.shape.own, maximum.shape.log_mass, maximum)
        for maximum in maxima
        if maximum.shape is not None
    ]
    return sorted(centers, key=lambda center: -float(center.own.log_det()))[:MAX_CENTERS]


def more_elliptical(
    target: FitTarget, generator: np.random.Generator, center: SphereCenter
) -> SphereCenter:
    """The Gaussian, or the Laplace approximation if the values on its sphere vary much less.

    The covariance of a Student t distribution is known from draws to some percent only, which
    hides everything else on a sphere; its curvature at the maximum is accurate.
    """
    units = directions(generator, NUM_TEST_POINTS, target.dim)
    spreads, maps = [], (center.own, _laplace_map(target, center.maximum))
    for affine_map in maps:
        values = target.values_alone(affine_map.forward(TEST_RADIUS * units))
        values = values[np.isfinite(values)]
        spreads.append(spread(values) if len(values) >= MIN_TEST_VALUES else np.inf)
    if spreads[1] >= MAX_SPREAD_RATIO * spreads[0]:
        return center
    size = typical_size(target, generator, maps[1])
    return SphereCenter(maps[1], center.maximum.log_density, center.maximum, size)


def typical_size(target: FitTarget, generator: np.random.Generator, own: AffineMap) -> float:
    """√(E ‖z‖² / d) of the draws of a mode in some coordinates z.

    The density of the radius r = ‖z‖ is r^(d-1) times the density on its sphere, for which the
    median log density stands.  The result is 1 for a Gaussian in its own coordinates.  A Student t
    in d = 26 with 6 degrees of freedom has 2.8 in those of its Laplace approximation.
    """
    radii = np.sqrt(target.dim) * SIZE_RADII
    units = directions(generator, NUM_SIZE_POINTS, target.dim)
    points = own.forward((radii[:, None, None] * units).reshape(-1, target.dim))
    on_spheres = np.median(target.values_alone(points).reshape(len(radii), -1), axis=1)
    # One power of r more than the density, because the radii are evenly spaced in log r.
    log_shares = on_spheres + target.dim * np.log(radii)
    log_shares = np.where(np.isfinite(log_shares), log_shares, -np.inf)
    if not np.isfinite(log_shares.max()):
        return 1.0
    shares = np.exp(log_shares - log_shares.max())
    return float(np.sqrt((shares @ radii**2) / shares.sum() / target.dim))


def _laplace_map(target: FitTarget, maximum: LocalMaximum) -> AffineMap:
    """The Laplace approximation from differences over a part of a standard deviation."""
    coordinates = map_of(maximum.position, maximum.factor)
    shifts = coordinates.linear(STEP * np.eye(target.dim))
    changes = gradient_changes(target, maximum.position, shifts, np.zeros(target.dim)).values
    hessian = coordinates.pull_back(changes) / (2.0 * STEP)
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    if not values[0] > 0.0:
        return coordinates
    root = coordinates.linear((vectors / np.sqrt(values)).T).T
    return map_of(maximum.position, factor_of(root @ root.T))
