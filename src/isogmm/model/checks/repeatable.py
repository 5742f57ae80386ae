"""A check that a log density is the same function in every call; minibatches change it."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from isogmm.errors import ModelError
from isogmm.model.target import PointEvaluation

#: Largest relative difference of two gradients at one position.  Parallel sums in single precision
#: differ by 1e-5; the gradient of a minibatch differs by about sqrt(n / rows) sds of the posterior.
MAX_DIFFERENCE = 1e-3


def check_repeatable(
    evaluate: Callable[[np.ndarray], PointEvaluation], position: Float[np.ndarray, " d"]
) -> None:
    """Raise an error if two evaluations at one position differ.

    Parameters
    ----------
    evaluate
        Log density and gradient at one position.
    position
        The position.  If the log density is not finite there, nothing is checked.

    Raises
    ------
    ModelError
        If the gradients differ.
    """
    (first, gradient), (second, other) = evaluate(position), evaluate(position)
    gradient, other = np.asarray(gradient, np.float64), np.asarray(other, np.float64)
    if not (np.isfinite(first) and np.isfinite(second)):
        return
    scale = max(np.linalg.norm(gradient), np.linalg.norm(other))
    difference = np.linalg.norm(gradient - other)
    if difference > MAX_DIFFERENCE * scale:
        raise ModelError(
            "the log density changes from call to call: its gradients in two calls at the same "
            f"position differ by {100 * difference / scale:.2g} %. Use all rows of the data in "
            "every call, and no random minibatches. If a gradient of all rows takes too long, use "
            "isogmm.fit_rows."
        )
