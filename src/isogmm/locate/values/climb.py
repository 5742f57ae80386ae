"""A local maximum and its curvature from values of the log density alone."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from isogmm.locate.gaussian.factors import map_of
from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.target import Target

#: Largest number of values of one search, for each dimension.
MAX_VALUES_PER_DIM = 400
#: Relative tolerances of Powell's method: of the position along a line, and of the loss.
POSITION_TOLERANCE, LOSS_TOLERANCE = 1e-3, 1e-9
#: The loss where the log density is not finite; its square is finite, too.
LOSS_OUTSIDE = 1e100
#: Nats by which the log density falls within one step of a difference: rounding errors are small
#: beside it, and a Gaussian describes it.  A step is doubled or halved at most ``MAX_CHANGES``
#: times.
MIN_DROP, MAX_DROP, MAX_CHANGES = 0.2, 1.5, 60
#: Smallest curvature along a principal axis, in units of the steps, where a Gaussian has 0.4 to 3.
#: The axis of a smaller or negative curvature is this wide at most.
MIN_CURVATURE = 0.05
#: Repetitions of the differences, each in the coordinates of the one before.
NUM_REPETITIONS = 2


def climb(
    target: Target, start: Float[np.ndarray, " d"], affine_map: AffineMap
) -> tuple[Float[np.ndarray, " d"], float]:
    """A local maximum near a starting point by Powell's method (1964), and the log density there.

    Parameters
    ----------
    target
        The target; its values are used only.
    start
        A position with a finite log density.
    affine_map
        The coordinates of the search, which begins with steps of length 1 along each of them.
    """
    first = float(target.values(start))

    def loss(position: np.ndarray) -> float:
        value = float(target.values(affine_map.forward(position[None])[0]))
        return first - value if np.isfinite(value) else LOSS_OUTSIDE

    found = minimize(
        loss,
        affine_map.inverse(start[None])[0],
        method="Powell",
        options={
            "xtol": POSITION_TOLERANCE,
            "ftol": LOSS_TOLERANCE,
            "maxfev": MAX_VALUES_PER_DIM * target.dim,
        },
    )
    end = affine_map.forward(np.atleast_1d(found.x)[None])[0]
    return end, float(target.values(end))


def laplace_from_values(
    target: Target, position: Float[np.ndarray, " d"], factor: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """Factor L of the inverse Hessian of -log π at a maximum, from differences of values.

    Parameters
    ----------
    target, position
        The target and the maximum.
    factor
        Factor of the first coordinates, of any scale.
    """
    for _ in range(NUM_REPETITIONS):
        coordinates = map_of(position, factor)
        steps = _steps(target, coordinates)
        values, vectors = np.linalg.eigh(-_hessian(target, coordinates, steps))
        widths = 1.0 / np.sqrt(np.maximum(values, MIN_CURVATURE))
        factor = coordinates.linear((steps[:, None] * vectors * widths).T).T
    return factor


def _steps(target: Target, coordinates: AffineMap) -> Float[np.ndarray, " d"]:
    """Steps along the axes within which the log density falls by about one nat."""
    dim = target.dim
    steps = np.ones(dim)
    top = float(target.values(coordinates.center))
    for _ in range(MAX_CHANGES):
        shifts = np.concatenate([np.diag(steps), -np.diag(steps)])
        both = target.values(coordinates.forward(shifts)).reshape(2, dim)
        drops = top - both.mean(axis=0)
        factors = np.where(drops > MAX_DROP, 0.5, np.where(drops < MIN_DROP, 2.0, 1.0))
        if np.all(factors == 1.0):
            break
        steps = steps * factors
    return steps


def _hessian(
    target: Target, coordinates: AffineMap, steps: Float[np.ndarray, " d"]
) -> Float[np.ndarray, "d d"]:
    """Second differences of the log density in units of the steps; 0 where one is not finite."""
    dim = target.dim
    identity = np.eye(dim)
    first, second = np.triu_indices(dim, 1)
    axes = np.concatenate([identity, -identity])
    sums = identity[first] + identity[second]
    differences = identity[first] - identity[second]
    corners = np.concatenate([sums, -sums, differences, -differences])
    shifts = np.concatenate([np.zeros((1, dim)), axes, corners]) * steps
    values = target.values(coordinates.forward(shifts))
    top, along, mixed = np.split(values, [1, 1 + 2 * dim])
    hessian = np.diag(along.reshape(2, dim).sum(axis=0) - 2.0 * top)
    with np.errstate(invalid="ignore"):
        plus, minus = mixed.reshape(2, 2, -1).sum(axis=1)
        hessian[first, second] = hessian[second, first] = (plus - minus) / 4.0
    return np.where(np.isfinite(hessian), hessian, 0.0)
