"""Stopping rules: how long the windows between checks are, and when a fit ends."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.stop_reason import StopReason


@dataclass(frozen=True)
class Window:
    """What one window of iterations left for the decision.

    Parameters
    ----------
    iterations
        How many iterations it had.
    elbo, elbo_se
        Mean of the ELBO estimates of its iterations and its standard error, for each chain.
    """

    iterations: int
    elbo: Float[np.ndarray, " c"]
    elbo_se: Float[np.ndarray, " c"]


def summarize_window(elbos: Float[np.ndarray, "t c"]) -> Window:
    """Mean and standard error of the ELBO estimates of a window.

    The noise variance is half the mean squared successive difference (von Neumann), which the
    slow drift of the ELBO inside a window hardly inflates.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = elbos.mean(axis=0)
        if len(elbos) < 2:
            return Window(len(elbos), mean, np.full(mean.shape, np.inf))
        variance = (np.diff(elbos, axis=0) ** 2).mean(axis=0) / 2.0
    return Window(len(elbos), mean, np.sqrt(variance / len(elbos)))


class AbstractStopping(abc.ABC):
    """Window lengths and the decision after each window; budgets are kept by the loop."""

    #: Budget of iterations, the tail of the schedule included; None for no limit.
    max_iterations: int | None
    #: Budget of seconds; None for no limit.
    max_seconds: float | None

    @abc.abstractmethod
    def window_length(self, index: int) -> int:
        """Iterations of the window with this index, before a budget cuts it."""

    @abc.abstractmethod
    def decide(self, windows: Sequence[Window]) -> StopReason | None:
        """Whether to end the main phase after these windows, and why."""


def _check_budgets(max_iterations: int | None, max_seconds: float | None) -> None:
    if max_iterations is not None and max_iterations < 1:
        raise OptionError(f"max_iterations must be at least 1, not {max_iterations}")
    if max_seconds is not None and not max_seconds > 0:
        raise OptionError(f"max_seconds must be positive, not {max_seconds}")


@dataclass(frozen=True)
class MaxIterations(AbstractStopping):
    """A fixed number of iterations, as in the paper.

    Parameters
    ----------
    max_iterations
        T.
    window
        Iterations between checks.
    max_seconds
        Time limit, or None.
    """

    max_iterations: int
    window: int = 100
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        _check_budgets(self.max_iterations, self.max_seconds)
        if self.window < 1:
            raise OptionError(f"window must be at least 1, not {self.window}")

    def window_length(self, index: int) -> int:
        """Always the same."""
        return self.window

    def decide(self, windows: Sequence[Window]) -> StopReason | None:
        """Never: the budget ends the fit."""
        return None


@dataclass(frozen=True)
class ElboPlateau(AbstractStopping):
    """Windows of doubling length, until the ELBO no longer improves by more than its noise.

    The mean of the last window is compared with that of the window before.  The fit goes on
    while the average over the chains gained more than ``num_standard_errors`` of its own error,
    or one chain gained more than one standard error beyond that, and the gain exceeds
    ``tolerance``.

    Parameters
    ----------
    first_window
        Length of the first window.
    max_iterations, max_seconds
        Budgets, or None.
    tolerance
        Gain in nats that is not worth another window.
    num_standard_errors
        How many standard errors count as more than noise.

    References
    ----------
    Welandawe, Andersen, Vehtari, Huggins (2024). A framework for improving the reliability of
    black-box variational inference. arXiv:2203.15945.
    """

    first_window: int = 25
    max_iterations: int | None = 10_000
    max_seconds: float | None = None
    tolerance: float = 0.01
    num_standard_errors: float = 2.0

    def __post_init__(self) -> None:
        _check_budgets(self.max_iterations, self.max_seconds)
        if self.first_window < 2:
            raise OptionError(f"first_window must be at least 2, not {self.first_window}")
        if not self.tolerance >= 0:
            raise OptionError(f"tolerance must not be negative: {self.tolerance}")

    def window_length(self, index: int) -> int:
        """Twice that of the window before."""
        return self.first_window * 2**index

    def decide(self, windows: Sequence[Window]) -> StopReason | None:
        """CONVERGED where the last window did not gain enough."""
        if len(windows) < 2:
            return None
        last, before = windows[-1], windows[-2]
        if last.iterations < before.iterations:
            return None  # cut short by a budget: too noisy to show a gain
        gain = last.elbo - before.elbo
        noise = np.sqrt(last.elbo_se**2 + before.elbo_se**2)
        chains = len(gain)
        pooled_noise = math.sqrt(float((noise**2).sum())) / chains
        together = gain.mean() > max(self.num_standard_errors * pooled_noise, self.tolerance)
        alone = gain > np.maximum((self.num_standard_errors + 1.0) * noise, self.tolerance)
        # An ELBO that is not a number says nothing: go on, the loop watches for that.
        if together or alone.any() or not np.all(np.isfinite(gain)):
            return None
        return StopReason.CONVERGED
