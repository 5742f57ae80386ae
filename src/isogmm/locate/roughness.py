"""Where a log density is rounding noise: places whose height means nothing."""

import numpy as np
from jaxtyping import Bool, Float

from isogmm.model.target import Target

#: Steps relative to the coordinates, hundreds of units in the last place: a density that is
#: smooth changes by its slope alone.
STEP, STEP_SINGLE = 1e-12, 1e-5
#: Change in nats, beyond that of the slope, that no smooth density shows.
NOISE = 1.0
#: Neighbors looked at.
NUM_NEIGHBORS = 2


def is_rough(
    target: Target,
    positions: Float[np.ndarray, "n d"],
    log_density: Float[np.ndarray, " n"],
    gradients: Float[np.ndarray, "n d"],
) -> Bool[np.ndarray, " n"]:
    """Whether the log density changes by more than a nat, beyond its slope, over a tiny step.

    Far out differences of large terms cancel: at a concentration of 1e14 the density of a
    Dirichlet-multinomial differs from its neighbors by thousands of nats, in double precision.
    A search that compares heights would end on the highest of these.  A density that is not
    smooth anywhere is rough everywhere: then there is nothing to choose by, and none is rough.

    Parameters
    ----------
    target
        The target.
    positions, log_density, gradients
        (n, d), (n,), (n, d): as ``target.evaluate`` gave them.
    """
    if not len(positions):
        return np.zeros(0, dtype=bool)
    step = STEP_SINGLE if target.single_precision else STEP
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(NUM_NEIGHBORS, 1, target.dim))
    neighbors = positions + step * signs * np.maximum(1.0, np.abs(positions))
    shifts = neighbors - positions  # as rounded
    values, _ = target.evaluate(neighbors)
    with np.errstate(all="ignore"):
        unexplained = values - log_density - (shifts * gradients).sum(axis=-1)
    # Where a neighbor has no density there is an edge, not noise.
    rough = (np.isfinite(unexplained) & (np.abs(unexplained) > NOISE)).any(axis=0)
    return np.zeros_like(rough) if rough.all() else rough
