"""A test whether a log density has a finite integral, by its decay far from the mode."""

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError
from isogmm.model.target import Target

#: Standard deviation above which a principal axis of the Gaussian is tested.  Posteriors on the
#: unconstrained scale are seldom wider.
MIN_WIDTH = 1e5
#: Distances from the mean in standard deviations: two pairs, a factor of ten apart in each.
DISTANCES = np.array([1e1, 1e2, 1e3, 1e4])
#: Number of principal axes that are tested, the widest first.
MAX_AXES = 16
#: Reciprocal condition number of the scaled factor below which two coordinates are taken as
#: determined by their sum alone.  It is a small multiple of the rounding error of float64.
MIN_RECIPROCAL_CONDITION = 1e-13
#: Number of coordinates in the description of a direction, and their smallest loading.
MAX_NAMED_COORDINATES, MIN_LOADING = 4, 0.05


def improper_direction(
    target: Target,
    mean: Float[np.ndarray, " d"],
    factor: np.ndarray,
    min_width: float = MIN_WIDTH,
) -> str | None:
    """A direction along which the density decays too slowly to have a finite integral.

    A density on a line has a finite integral only if it decays faster than 1/|t|.  Its logarithm
    must then fall by more than log 10 between a distance and ten times that distance.  The
    principal axes of a Gaussian are tested on both sides, at two pairs of distances each.

    Parameters
    ----------
    target
        The target.
    mean, factor
        The Gaussian N(mean, L Lᵀ), with L of shape (d, d), or (d,) if it is diagonal.
    min_width
        Smallest standard deviation of a tested axis; 0 tests all axes.

    Returns
    -------
    str or None
        The direction as a combination of coordinate names, ``0.71 x[0] - 0.71 x[1]``; None if
        no such direction was found.
    """
    widths, axes = _widest_axes(factor)
    if widths[0] > min_width and factor.ndim == 2:
        # The data determine the sum of two coordinates, and nothing determines their difference.
        rows = factor / np.sqrt((factor**2).sum(axis=1, keepdims=True))
        if 1.0 / np.linalg.cond(rows) < MIN_RECIPROCAL_CONDITION:
            return describe_direction(axes[0], target.coordinate_labels)
    axes = axes[widths > min_width]
    widths = widths[widths > min_width]
    if not len(axes):
        return None
    offsets = np.concatenate([-DISTANCES, DISTANCES])
    points = mean + (offsets[None, :] * widths[:, None])[..., None] * axes[:, None, :]
    log_density = target.values(points)
    with np.errstate(invalid="ignore"):
        # Axes: principal axis, side, pair of distances, inner and outer distance.
        decay = -np.diff(log_density.reshape(len(axes), 2, 2, 2), axis=-1)[..., 0]
        is_slow = np.all(decay < np.log(10.0), axis=-1).any(axis=-1)
    return (
        describe_direction(axes[np.argmax(is_slow)], target.coordinate_labels)
        if is_slow.any()
        else None
    )


def check_proper(target: Target, mean: Float[np.ndarray, " d"], factor: np.ndarray) -> None:
    """Raise an error if the density has no finite integral along an axis of a Gaussian.

    Parameters
    ----------
    target, mean, factor
        As for :func:`improper_direction`.

    Raises
    ------
    ModelError
        Naming the direction and the remedy.
    """
    direction = improper_direction(target, mean, factor)
    if direction is not None:
        raise improper_error(direction)


def improper_error(direction: str) -> ModelError:
    """The error that names the direction and the remedy."""
    return ModelError(
        "the posterior is improper: the log density does not decrease fast enough along "
        f"{direction} (unconstrained coordinates) to have a finite integral. Usual causes are "
        "a flat prior on a parameter that the data do not inform, a logistic regression with "
        "separable classes, and parameters of which only the sum enters the model. Give these "
        "parameters proper priors."
    )


def _widest_axes(
    factor: np.ndarray,
) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, "a d"]]:
    """Standard deviations and directions of the principal axes of N(0, L Lᵀ), the widest first."""
    if factor.ndim == 1:
        order = np.argsort(-factor)[:MAX_AXES]
        axes = np.zeros((len(order), len(factor)))
        axes[np.arange(len(order)), order] = 1.0
        return factor[order], axes
    left, values, _ = np.linalg.svd(factor)
    return values[:MAX_AXES], left.T[:MAX_AXES]


def describe_direction(axis: Float[np.ndarray, " d"], names: list[str]) -> str:
    """The largest loadings of a direction with their names; a single one by its name alone."""
    largest = np.argsort(-np.abs(axis))[:MAX_NAMED_COORDINATES]
    order = [index for index in largest if abs(axis[index]) > MIN_LOADING]
    if len(order) == 1:
        return names[order[0]]
    signed = axis if axis[order[0]] > 0 else -axis
    text = " ".join(
        f"{'-' if signed[index] < 0 else '+'} {abs(signed[index]):.2f} {names[index]}"
        for index in order
    )
    return text.removeprefix("+ ")
