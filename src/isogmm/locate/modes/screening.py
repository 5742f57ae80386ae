"""Starting points around known Gaussians, screened by one evaluation each.

The first starting points of a search have the units of the user, in which other modes can be far
away or very close.  In the coordinates of a known mode, other modes are a few to a few hundred
standard deviations away, whatever the units of the model.  A path from a starting point costs
about fifteen evaluations, and most paths end at a known maximum.  Many points are therefore
evaluated once, and paths start only from some of them: those whose gradient or log density the
known Gaussians explain least, and random ones.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.ndimage import median_filter

from isogmm.locate.paths.mode_shape import ModeShape, explained
from isogmm.mixtures.affine_map import AffineMap

#: Range of radii in standard deviations in which random directions lead into the narrow basins of
#: modes 3 to 12 sds away: the best radius was 7 to 14 for 19 of the 22 modes with the narrowest
#: basins of 60 random targets.
NARROW_RADII = 4.0, 18.0
#: Range of radii for modes of equal width and for distant ones: a number of standard deviations,
#: and a multiple of √d.  The basin of a mode of equal width at distance D begins at about √d D / 2.
MIN_RADIUS, MAX_RADIUS_FACTOR = 2.0, 30.0
#: The multiple of √d for points that move few coordinates, along which modes can be far away.
MAX_SPARSE_RADIUS_FACTOR = 3000.0
#: Every third point moves few coordinates; every third radius is from the wide range.
PERIOD = 3
#: Number of points with similar radii whose median log density is the expected one.
MEDIAN_WINDOW = 129


def points_around(
    affine_map: AffineMap, generator: np.random.Generator, count: int
) -> Float[np.ndarray, "n d"]:
    """Points c + r L u or c + r s u around a Gaussian, with r log-uniform and u of unit length.

    In two of three points u is uniform on the sphere in the coordinates of the Gaussian.  In the
    others it moves a random subset of the coordinates of the target, in units of their standard
    deviations s, because modes often differ in few coordinates.
    """
    dim = len(affine_map.center)
    index = np.arange(count)
    is_sparse, is_wide = index % PERIOD == 0, index // PERIOD % PERIOD == 0
    directions = generator.standard_normal((count, dim))
    sizes = np.round(np.exp(generator.uniform(0.0, np.log(dim), size=(count, 1))))
    ranks = generator.random((count, dim)).argsort(axis=1)
    directions[is_sparse] *= (ranks < sizes)[is_sparse]
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    factors = np.where(is_sparse, MAX_SPARSE_RADIUS_FACTOR, MAX_RADIUS_FACTOR)
    wide = np.stack([np.full(count, MIN_RADIUS), factors * np.sqrt(dim)], axis=1)
    bounds = np.log(np.where(is_wide[:, None], wide, NARROW_RADII))
    shifts = np.exp(generator.uniform(bounds[:, :1], bounds[:, 1:])) * directions
    sds = np.array([affine_map.row_norm(coordinate) for coordinate in range(dim)])
    linear = np.where(is_sparse[:, None], sds * shifts, affine_map.linear(shifts))
    return affine_map.center + linear


def excess(
    affine_map: AffineMap, points: Float[np.ndarray, "n d"], log_density: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Log density of each point minus the median of the points with similar radii, compressed.

    Values are log(1 + max log π - log π), because log π spans many orders of magnitude.
    """
    order = np.argsort(np.linalg.norm(affine_map.inverse(points), axis=1))
    heights = -np.log1p(log_density.max() - log_density)[order]
    found = np.empty(len(points))
    found[order] = heights - median_filter(heights, MEDIAN_WINDOW, mode="nearest")
    return found


def choose_starts(
    known: Sequence[ModeShape],
    own: ModeShape,
    points: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    gradients: Float[np.ndarray, "n d"],
    count: int,
    generator: np.random.Generator,
) -> Int[np.ndarray, " m"]:
    """Indices of the points around one Gaussian from which paths start.

    A quarter of them has the gradients that the known modes together explain least, a quarter those
    that the own mode explains least, and a quarter the largest excess.  The others are random.
    Each criterion alone misses modes that another one finds: a mode may explain the gradients of a
    narrow mode in its tail.

    Parameters
    ----------
    known
        All known modes.
    own
        The mode around which the points lie.
    points, log_density, gradients
        (n, d), (n,), (n, d): the points and the result of ``target.evaluate``.
    count
        Number of indices.
    generator
        Random numbers.
    """
    finite = np.flatnonzero(np.isfinite(log_density) & np.isfinite(gradients).all(axis=1))
    if len(finite) <= count:
        return finite
    points, gradients = points[finite], gradients[finite]
    scores = (
        explained(known, points, gradients),
        explained([own], points, gradients),
        -excess(own.own, points, log_density[finite]),
    )
    chosen: dict[int, None] = {}  # a set in order of insertion
    for score in scores:
        chosen |= dict.fromkeys(np.argsort(score, kind="stable")[: count // 4].tolist())
    for index in generator.permutation(len(finite)).tolist():
        if len(chosen) >= count:
            break
        chosen[index] = None
    return finite[np.array(list(chosen), dtype=int)]
