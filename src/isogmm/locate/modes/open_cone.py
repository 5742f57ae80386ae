"""A test whether a density has no finite integral, by directions toward many distant maxima.

A logistic regression with separable classes and flat priors has a likelihood that does not
decrease in a cone of directions.  Paths of an optimizer end anywhere on this plateau, and each end
looks like a mode.  The search would go on until a limit.
"""

from collections.abc import Sequence

import numpy as np

from isogmm.locate.directions import directions, separate
from isogmm.locate.paths.maxima import LocalMaximum
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.checks.improper import describe_direction, improper_error
from isogmm.model.target import Target

#: Number of maxima whose directions are tested, the most distant ones.
NUM_MAXIMA = 8
#: Number of directions beside each, and the tangent of their angles with it.  A ridge that becomes
#: narrower, as near scale zero of a hierarchy, has a finite integral; beside it the density falls.
#: The tangent is small, because a cone may be narrow in the coordinates of the first Gaussian.
NUM_BESIDE, TANGENT = 8, 1e-4
#: Multiples of the distance of a maximum: two pairs, a factor of ten apart in each.  The second
#: pair is beyond priors that are wide but proper.
MULTIPLES = np.array([1e1, 1e2, 1e7, 1e8])
#: Smallest distance of a maximum, in standard deviations, and smallest length of the mean of the
#: unit directions, which is short if they point to different sides.
MIN_DISTANCE, MIN_MEAN_LENGTH = 1.0, 0.5


def check_no_open_cone(
    target: Target,
    generator: np.random.Generator,
    own: AffineMap,
    maxima: Sequence[LocalMaximum],
) -> None:
    """Raise an error if the density decays too slowly in a cone around the direction of a maximum.

    A density with a finite integral over a cone in d dimensions decays faster than 1/r^d in most
    of its directions.  The test is conservative: in each direction that is tested, the log density
    must fall by less than log 10 from a distance to ten times that distance.  The mean of the
    directions is tested too: it is inside a convex cone where the others may be at its edge.

    Parameters
    ----------
    target, generator
        The target, and random numbers, whose state does not change.
    own
        Coordinates of the first Gaussian, in which distances and angles are measured.
    maxima
        The known maxima.

    Raises
    ------
    ModelError
        Naming the direction and the remedy.
    """
    positions = own.inverse(np.stack([maximum.position for maximum in maxima]))
    distances = np.linalg.norm(positions, axis=1)
    index = np.argsort(-distances)[:NUM_MAXIMA]
    index = index[distances[index] >= MIN_DISTANCE]
    if not len(index):
        return
    positions, distances = positions[index], distances[index, None]
    mean = (positions / distances).mean(axis=0)
    if np.linalg.norm(mean) >= MIN_MEAN_LENGTH:
        positions = np.concatenate([positions, distances.mean() * mean[None]])
    count = len(positions) * NUM_BESIDE
    noise = TANGENT * directions(separate(generator), count, target.dim)
    noise = noise.reshape(len(positions), NUM_BESIDE, target.dim)
    noise[:, 0] = 0.0
    lengths = np.linalg.norm(positions, axis=-1)[:, None, None]
    rays = positions[:, None] + noise * lengths
    points = MULTIPLES[:, None] * rays[:, :, None]
    log_density = target.values(own.forward(points.reshape(-1, target.dim)))
    pairs = log_density.reshape(len(positions), NUM_BESIDE, len(MULTIPLES) // 2, 2)
    with np.errstate(invalid="ignore"):
        is_slow = (pairs[..., 0] - pairs[..., 1] < np.log(10.0)).all(axis=(1, 2))
    if is_slow.any():
        axis = own.linear(positions[np.argmax(is_slow)])
        raise improper_error(
            describe_direction(axis / np.linalg.norm(axis), target.coordinate_labels)
        )
