"""What the known modes explain of the gradients elsewhere."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.locate.directions import directions, separate
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.target import Target

#: Number of axes of a mode, and of the points on a sphere that determine them.
NUM_AXES, NUM_POINTS = 2, 64
#: Radius of the sphere, as a multiple of √d: a little outside most of the mass, where no other mode
#: is nearer.
RADIUS_FACTOR = 1.5
#: Range of dimensions in which modes have axes.  In fewer, little of a gradient would be left; in
#: more, too few points of a round are in narrow modes.
MIN_DIM, MAX_DIM = 6, 40
#: Smallest length, against divisions by zero.
TINY = 1e-300


class ModeShape(NamedTuple):
    """A Gaussian of a mode, and the axes along which the mode differs most from it.

    Parameters
    ----------
    own
        Coordinates of the Gaussian.
    log_mass
        Estimated log mass of the mode.
    axes
        (k, d): orthonormal directions in these coordinates.
    """

    own: AffineMap
    log_mass: float
    axes: Float[np.ndarray, "k d"]


def shape_of(
    target: Target, generator: np.random.Generator, own: AffineMap, log_mass: float
) -> ModeShape:
    """The shape of a mode, from gradients on a sphere.

    In its own coordinates z the score of a Gaussian is -z.  The scores of a funnel, a banana or a
    skewed mode have another part, which lies along one or two directions.  These are the first
    right singular vectors of that part of the normalized scores.
    """
    dim = target.dim
    if not MIN_DIM <= dim <= MAX_DIM:
        return ModeShape(own, log_mass, np.zeros((0, dim)))
    units = directions(separate(generator), NUM_POINTS, dim)
    _, gradients = target.evaluate(own.forward(RADIUS_FACTOR * np.sqrt(dim) * units))
    scores = own.pull_back(gradients)
    finite = np.isfinite(scores).all(axis=1)
    scores, units = _unit(scores[finite]), units[finite]
    rest = scores - (scores * units).sum(axis=1, keepdims=True) * units
    return ModeShape(own, log_mass, np.linalg.svd(rest, full_matrices=False)[2][:NUM_AXES])


def explained(
    shapes: Sequence[ModeShape],
    points: Float[np.ndarray, "n d"],
    gradients: Float[np.ndarray, "n d"],
) -> Float[np.ndarray, " n"]:
    """How well the best of some modes explains the direction of each gradient.

    A mode explains the part s_a of the score s along its axes, and of the rest s_r the part toward
    its center: (‖s_a‖² + c |c|) / ‖s‖² with c = -s_r · z_r / ‖z_r‖.  Without axes this is the
    squared cosine of the angle between s and -z, with its sign.  It is 1 everywhere if the mode is
    elliptical, and also in funnels and modes that are bent or skewed along the axes.
    """
    found = np.full(len(points), -1.0)
    for own, _, axes in shapes:
        z, scores = own.inverse(points), _unit(own.pull_back(gradients))
        along_axes = scores @ axes.T
        z, scores = z - z @ axes.T @ axes, scores - along_axes @ axes
        inward = -(z * scores).sum(axis=1) / np.maximum(np.linalg.norm(z, axis=1), TINY)
        found = np.maximum(found, (along_axes**2).sum(axis=1) + inward * np.abs(inward))
    return found


def _unit(vectors: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """Vectors of unit length.  Squares of scores can be too large for double precision."""
    scaled = vectors / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), TINY)
    return scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), TINY)
