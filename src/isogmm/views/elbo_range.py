"""The part of an ELBO trace that a plot shows: its range, and its end without noise."""

import numpy as np
from jaxtyping import Float

#: The first part of a trace, as a share of its checks, in which the ELBO usually climbs steeply.
CLIMB_SHARE = 1 / 3
#: Height of the plot, as a multiple of the range of the ELBO after the climb.
MAX_RELATIVE_HEIGHT = 4
#: Error of a point at the end, relative to the median of those before, above which it is combined
#: with the point before it.
MAX_RELATIVE_ERROR = 1.5
#: Smallest standard error that is used as a weight.
MIN_ERROR = 1e-6


def lower_limit(
    elbo: Float[np.ndarray, "t c"], low: float, high: float, min_spread: float
) -> float:
    """A lower limit of the plot such that the climb does not flatten the rest of the trace.

    Parameters
    ----------
    elbo
        ELBO by check and chain; entries may be infinite or NaN.
    low, high
        Limits that hold the whole trace.
    min_spread
        Smallest range of the ELBO after the climb that counts, in nats.
    """
    late = elbo[int(len(elbo) * CLIMB_SHARE) :]
    late = late[np.isfinite(late)]
    if not late.size:
        return low
    spread = max(high - float(late.min()), min_spread)
    return max(low, high - MAX_RELATIVE_HEIGHT * spread)


def without_noisy_end(
    position: Float[np.ndarray, " t"],
    elbo: Float[np.ndarray, "t c"],
    error: Float[np.ndarray, "t c"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The checks, with the last ones combined while their errors are much larger than others'."""
    while len(elbo) > 2:
        typical = np.median(error[:-1], axis=0)
        is_noisy = error[-1] > MAX_RELATIVE_ERROR * typical
        if not is_noisy.any() or not np.isfinite([elbo[-2:], error[-2:]]).all():
            break
        weights = np.maximum(error[-2:], MIN_ERROR) ** -2.0
        combined = (weights * elbo[-2:]).sum(axis=0) / weights.sum(axis=0)
        elbo = np.vstack([elbo[:-2], combined])
        error = np.vstack([error[:-2], weights.sum(axis=0) ** -0.5])
        position = np.delete(position, -2)
    return position, elbo, error
