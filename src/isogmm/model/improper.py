"""Does the density have a finite integral?  A look along lines far outside."""

import numpy as np
from jaxtyping import Float

from isogmm.model.target import Target

#: In a Gaussian that a search ended with, only directions of such a width are looked at.
WIDE = 1e5
#: Distances in standard deviations, in pairs a factor of ten apart, and lines at most.
DISTANCES = np.array([1e1, 1e2, 1e3, 1e4])
LINES = 16


def improper_direction(
    target: Target, mean: Float[np.ndarray, " d"], factor: np.ndarray, wide: float = WIDE
) -> str | None:
    """A direction along which the density falls too slowly to have a finite integral.

    A density on a line has a finite integral only if it falls faster than 1/|t|: by more than
    log 10 from one distance to one ten times farther.  Asked along the principal axes of the
    Gaussian that the search ended with, where its width says that something is wrong, at two
    such pairs of distances on both sides.

    Parameters
    ----------
    target
        The target.
    mean, factor
        The Gaussian N(mean, L Lᵀ), L of shape (d, d) or, where it is diagonal, (d,).
    wide
        Directions are looked at where it is wider than this: all of them, for 0, where something
        else has said that something is wrong.

    Returns
    -------
    str or None
        The direction in the names of the coordinates, ``0.71 x[0] - 0.71 x[1]``.
    """
    if factor.ndim == 1:
        order = np.argsort(-factor)[:LINES]
        widths, axes = factor[order], np.eye(len(factor))[order]
    else:
        left, values, _ = np.linalg.svd(factor)
        widths, axes = values[:LINES], left.T[:LINES]
        # Two coordinates that move as one: their sum is known, their difference is anything.
        rows = factor / np.sqrt((factor**2).sum(axis=1, keepdims=True))
        if widths[0] > wide and 1.0 / np.linalg.cond(rows) < 1e-13:
            return _in_words(axes[0], target.coordinate_names)
    axes = axes[widths > wide]
    widths = widths[widths > wide]
    if not len(axes):
        return None
    sides = np.concatenate([-DISTANCES, DISTANCES])
    points = mean + (sides[None, :] * widths[:, None])[..., None] * axes[:, None, :]
    log_density, _ = target.evaluate(points)
    with np.errstate(invalid="ignore"):
        # (lines, sides, pairs, inner and outer)
        falls = -np.diff(log_density.reshape(len(axes), 2, 2, 2), axis=-1)[..., 0]
        too_slow = np.all(falls < np.log(10.0), axis=-1).any(axis=-1)
    return _in_words(axes[np.argmax(too_slow)], target.coordinate_names) if too_slow.any() else None


def _in_words(axis: Float[np.ndarray, " d"], names: list[str]) -> str:
    """The largest parts of a direction; a single coordinate by its name alone."""
    order = [index for index in np.argsort(-np.abs(axis))[:4] if abs(axis[index]) > 0.05]
    if len(order) == 1:
        return names[order[0]]
    signed = axis if axis[order[0]] > 0 else -axis
    text = " ".join(
        f"{'-' if signed[index] < 0 else '+'} {abs(signed[index]):.2f} {names[index]}"
        for index in order
    )
    return text.removeprefix("+ ")
