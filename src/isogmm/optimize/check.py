"""The record of a fit after a window, for callbacks, checkpoints and the history."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.errors import warn_user

#: Fields of :class:`Check` that the history stores.
HISTORY = (
    "iteration",
    "elbo",
    "elbo_se",
    "step_size",
    "gradient_evaluations",
    "seconds",
    "nonfinite",
)


@dataclass(frozen=True)
class Check:
    """The state of a fit after a window.

    Parameters
    ----------
    iteration
        Iterations done so far.
    elbo, elbo_se
        Mean ELBO of the window and its standard error, for each chain.
    step_size
        γ of the last iteration.
    gradient_evaluations, seconds
        Gradients and seconds so far.
    nonfinite
        Samples of the window without a finite log density, for each chain.
    mixture
        The fit so far.
    in_tail
        Whether the step size decreases and the iterates are averaged.
    """

    iteration: int
    elbo: Float[np.ndarray, " c"]
    elbo_se: Float[np.ndarray, " c"]
    step_size: float
    gradient_evaluations: int
    seconds: float
    nonfinite: Any
    mixture: Any
    in_tail: bool


def asks_to_end(observer: Callable[[Check], Any], check: Check) -> bool:
    """Show a check to an observer; whether it returns True or raises StopIteration.

    Any other exception ends the fit too, which then returns what it has: an error in a callback
    must not lose the work before it.

    Warns
    -----
    FitWarning
        If the observer fails: the warning names the exception.
    """
    try:
        answer = observer(check)
    except StopIteration:
        return True
    except Exception as error:
        name = getattr(observer, "__qualname__", type(observer).__qualname__)
        warn_user(
            f"isogmm: the callback {name} raised {type(error).__name__}: {error}. The fit ends at "
            f"iteration {check.iteration:,} and returns its current result. Correct the callback, "
            "then continue with resume=idata."
        )
        return True
    return isinstance(answer, bool | np.bool_) and bool(answer)
