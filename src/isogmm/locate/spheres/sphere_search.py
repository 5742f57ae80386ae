"""Starting points for paths to narrow modes, from values on spheres around the known modes."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from isogmm.locate.directions import directions, separate
from isogmm.locate.spheres.excess import RADII, most_unexpected
from isogmm.locate.spheres.sphere_centers import SphereCenter, more_elliptical
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget

#: Range of dimensions in which spheres are searched.  In fewer, the points of a round find narrow
#: modes; in more, too few points of a sphere are in them.
MIN_DIM, MAX_DIM = 6, 40
#: Points on all spheres: at most the first number, and as many as compute the second number of
#: numbers (about a tenth of a second).  With fewer than the third the spheres are left out.  On
#: nine random targets with one known mode of several, 20,480 points found another in 23 of 36
#: searches, 61,440 in 31 of 36, and the points of a round alone in 4 of 45.  On the four hardest
#: ones, 61,440 found another in 11 of 16, and 98,304 in 19 of 24.
MAX_POINTS, MAX_NUMBERS, MIN_POINTS = 98_304, 4e8, 8_192
#: Angles of the points on a great circle, and how many great circles follow each other.
ANGLES, NUM_CIRCLES = np.array([0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0, 1.25, 1.5]), 2
#: Radii of the points on a ray, in standard deviations, and the rise in nats that makes a maximum.
RAY_RADII, MIN_RISE = np.geomspace(1.5, 45.0, 24), 1e-3
#: Largest number of starting points, and the cosine of the angle between two directions from which
#: they count as one.
MAX_STARTS, MAX_COSINE = 8, 0.8


def prepare_spheres(target: FitTarget) -> None:
    """Start the compilation of the program that the search needs, if it will be made."""
    if target.value_program is not None and num_sphere_points(target):
        target.value_program.start()


def num_sphere_points(target: FitTarget) -> int:
    """Number of points on all spheres; 0 if the model is too expensive or has no program for it."""
    if target.value_program is None or not MIN_DIM <= target.dim <= MAX_DIM:
        return 0
    count = min(MAX_POINTS, int(MAX_NUMBERS / max(target.value_program.cost(), 1.0)))
    return count if count >= MIN_POINTS else 0


def starts_from_spheres(
    target: FitTarget,
    generator: np.random.Generator,
    centers: Sequence[SphereCenter],
    count: int,
) -> list[tuple[Float[np.ndarray, "k d"], AffineMap]]:
    """Starting points of paths to other modes, and the coordinates for the optimizer, by mode.

    From the points that the known modes explain least, great circles in the direction of the
    gradient lead closer to another mode.  A ray through the best point of each then shows whether
    the log density has a maximum away from the mode, near which a path starts.

    Parameters
    ----------
    target, generator
        The target, with a program for values alone, and random numbers.
    centers
        The known modes.
    count
        Number of points on all spheres around one mode.
    """
    generator = separate(generator)
    known = [more_elliptical(target, generator, center) for center in centers]
    found = []
    for center in known:
        others = [other for other in known if other is not center]
        found.append((_starts_around(target, generator, center, count, others), center.own))
    return found


def _starts_around(
    target: FitTarget,
    generator: np.random.Generator,
    center: SphereCenter,
    count: int,
    others: Sequence[SphereCenter],
) -> Float[np.ndarray, "k d"]:
    """Starting points from the spheres around one mode."""
    own, radii, size = center.own, center.size * RADII, count // len(RADII)
    units = directions(generator, size * len(RADII), target.dim).reshape(len(RADII), size, -1)
    shells = [own.forward(radius * rows) for radius, rows in zip(radii, units, strict=True)]
    values = np.stack([target.values_alone(shell) for shell in shells])
    explained = None
    if others:
        explained = np.stack(
            [np.max([other.explained(shell) for other in others], axis=0) for shell in shells]
        )
    points, log_density = most_unexpected(own, radii, units, values, explained)
    for _ in range(NUM_CIRCLES if len(points) else 0):
        points, log_density = _along_circles(target, own, points, log_density)
    if not len(points):
        return points
    points, log_density, is_maximum = _along_rays(target, own, points, center.size * RAY_RADII)
    return points[_distinct(own, points, log_density, is_maximum)]


def _along_circles(
    target: FitTarget,
    own: AffineMap,
    points: Float[np.ndarray, "k d"],
    log_density: Float[np.ndarray, " k"],
) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, " k"]]:
    """The highest points on great circles that begin in the direction of the gradient.

    If the mode is elliptical, the part of the gradient that is tangential to the sphere comes from
    other modes, however small it is.
    """
    z = own.inverse(points)
    scores = own.pull_back(target.evaluate(points)[1])
    radii = np.linalg.norm(z, axis=1, keepdims=True)
    units = z / radii
    tangents = scores - (scores * units).sum(axis=1, keepdims=True) * units
    tangents /= np.maximum(np.linalg.norm(tangents, axis=1, keepdims=True), 1e-300)
    angles = ANGLES[None, :, None]
    circles = np.cos(angles) * units[:, None] + np.sin(angles) * tangents[:, None]
    reached = own.forward((radii[:, None] * circles).reshape(-1, target.dim))
    values = target.values_alone(reached).reshape(len(points), -1)
    rows, best = np.arange(len(points)), values.argmax(axis=1)
    is_higher = values[rows, best] > log_density
    reached = reached.reshape(len(points), len(ANGLES), -1)[rows, best]
    return (
        np.where(is_higher[:, None], reached, points),
        np.where(is_higher, values[rows, best], log_density),
    )


def _along_rays(
    target: FitTarget,
    own: AffineMap,
    points: Float[np.ndarray, "k d"],
    radii: Float[np.ndarray, " r"],
) -> tuple[Float[np.ndarray, "k d"], Float[np.ndarray, " k"], Bool[np.ndarray, " k"]]:
    """The highest maximum inside each ray, its log density, and whether there is one."""
    z = own.inverse(points)
    units = z / np.linalg.norm(z, axis=1, keepdims=True)
    rays = own.forward((radii[None, :, None] * units[:, None]).reshape(-1, target.dim))
    values = target.values_alone(rays).reshape(len(points), -1)
    inner = values[:, 1:-1]
    with np.errstate(invalid="ignore"):  # two values of -inf
        rises = inner - values[:, :-2] > MIN_RISE
    heights = np.where(rises & (inner >= values[:, 2:]), inner, -np.inf)
    rows, best = np.arange(len(points)), heights.argmax(axis=1)
    reached = rays.reshape(len(points), len(radii), -1)[rows, best + 1]
    return reached, heights[rows, best], np.isfinite(heights[rows, best])


def _distinct(
    own: AffineMap,
    points: Float[np.ndarray, "k d"],
    log_density: Float[np.ndarray, " k"],
    is_maximum: Bool[np.ndarray, " k"],
) -> list[int]:
    """Indices of the highest maxima in different directions."""
    z = own.inverse(points)
    units = z / np.linalg.norm(z, axis=1, keepdims=True)
    kept: list[int] = []
    for index in np.argsort(-log_density):
        if is_maximum[index] and np.all(units[kept] @ units[index] < MAX_COSINE):
            kept.append(int(index))
    return kept[:MAX_STARTS]
