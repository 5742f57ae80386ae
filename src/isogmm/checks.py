"""What the loop drives, and what the outside sees of it between two windows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

#: Fields of :class:`Check` that the history keeps.
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
    """What a callback sees after a window.

    Parameters
    ----------
    iteration
        Iterations done so far.
    elbo, elbo_se
        Mean ELBO of the window and its standard error, for each chain.
    step_size
        γ of the last iteration.
    gradient_evaluations, seconds
        Cost so far.
    nonfinite
        Samples of the window without a finite log density, for each chain.
    mixture
        The fit so far.
    in_tail
        Whether the step size is winding down.
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


@runtime_checkable
class AbstractRunner(Protocol):
    """What the loop drives: the moving parts of one fit."""

    #: Iterations done so far.
    iterations: int

    def iteration(self, step_size: float, averaging: float, collector: Any) -> tuple[Any, Any]:
        """One iteration; returns its ELBO estimates (c,) and counts of finite samples."""

    def adapt(self, collector: Any) -> None:
        """Move to the coordinates that the collected gradients ask for."""

    def mixture(self) -> Any:
        """The fit so far."""

    def finite_samples(self, counts: Sequence[Any]) -> tuple[bool, np.ndarray]:
        """Of a window: whether every component had some, and how many each chain lacks."""

    def rule_state(self) -> Any:
        """State of the rule, on the host."""

    def seconds(self) -> float:
        """Seconds since the start."""

    def gradient_evaluations(self) -> int:
        """Gradients of the target since the start."""

    def is_finite(self) -> bool:
        """Whether the fit so far is a mixture."""
