"""Positions where rounding errors dominate the log density."""

import numpy as np
from jaxtyping import Bool, Float

from isogmm.model.target import Target

#: Relative step to a neighbor, in double and in single precision: hundreds of units in the last
#: place.  Over such a step a smooth log density changes by its gradient times the step.
RELATIVE_STEP, RELATIVE_STEP_SINGLE = 1e-12, 1e-5
#: Largest deviation from that change, in nats, for a smooth log density.
MAX_UNEXPLAINED_CHANGE = 1.0
#: Number of neighbors of each position.
NUM_NEIGHBORS = 2


def is_rough(
    target: Target,
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    gradients: Float[np.ndarray, "n d"],
) -> Bool[np.ndarray, " n"]:
    """Whether the log density changes by more than a nat over a tiny step, beyond its slope.

    Far from the mode, differences of large terms cancel.  At a concentration of 1e14 the log
    density of a Dirichlet-multinomial differs from its neighbors by thousands of nats, in double
    precision.  A search that compares log densities would end at the highest of these.

    Parameters
    ----------
    target
        The target.
    positions, log_density, gradients
        (n, d), (n,), (n, d): positions and the result of ``target.evaluate`` for them.
    """
    if not len(positions):
        return np.zeros(0, dtype=bool)
    step = RELATIVE_STEP_SINGLE if target.single_precision else RELATIVE_STEP
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(NUM_NEIGHBORS, 1, target.dim))
    neighbors = positions + step * signs * np.maximum(1.0, np.abs(positions))
    shifts = neighbors - positions  # as rounded
    values, others = target.evaluate(neighbors)
    with np.errstate(all="ignore"):
        # The trapezoidal rule is exact for a quadratic function: in narrow modes the curvature
        # counts.
        slopes = 0.5 * (gradients + others)
        unexplained = values - log_density - (shifts * slopes).sum(axis=-1)
    # A neighbor without a finite log density lies outside the support: no rounding error.
    is_large = np.isfinite(unexplained) & (np.abs(unexplained) > MAX_UNEXPLAINED_CHANGE)
    return is_large.any(axis=0)


def is_rougher_than_others(
    target: Target,
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    gradients: Float[np.ndarray, "n d"],
) -> Bool[np.ndarray, " n"]:
    """:func:`is_rough`, but False everywhere if the log density is rough at all positions.

    A search could not choose between them.
    """
    rough = is_rough(target, positions, log_density, gradients)
    return np.zeros_like(rough) if rough.all() else rough
