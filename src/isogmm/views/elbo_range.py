"""The range of ELBO values that a plot of a trace shows."""

import numpy as np
from jaxtyping import Float

#: The first part of a trace, as a share of its checks, in which the ELBO usually climbs steeply.
CLIMB_SHARE = 1 / 3
#: Height of the plot, as a multiple of the range of the ELBO after the climb.
MAX_RELATIVE_HEIGHT = 4


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
