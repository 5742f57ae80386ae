"""Stopping rules: the lengths of the windows between checks, and the end of the main phase."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.stop_reason import StopReason

#: A single chain continues the fit if its gain exceeds ``num_standard_errors`` plus this number of
#: standard errors.
EXTRA_STANDARD_ERRORS = 1.0


@dataclass(frozen=True)
class Window:
    """Summary of the ELBO estimates of one window of iterations.

    Parameters
    ----------
    iterations
        Number of iterations.
    elbo, elbo_se
        Mean of the ELBO estimates of its iterations and its standard error, for each chain.
    """

    iterations: int
    elbo: Float[np.ndarray, " c"]
    elbo_se: Float[np.ndarray, " c"]


def summarize_window(elbos: Float[np.ndarray, "t c"]) -> Window:
    """Mean and standard error of the ELBO estimates of a window.

    The variance of the Monte Carlo error is half the mean squared successive difference (von
    Neumann).  A slow increase of the ELBO within a window has little effect on this estimate.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = elbos.mean(axis=0)
        if len(elbos) < 2:
            return Window(len(elbos), mean, np.full(mean.shape, np.inf))
        variance = (np.diff(elbos, axis=0) ** 2).mean(axis=0) / 2.0
    return Window(len(elbos), mean, np.sqrt(variance / len(elbos)))


class AbstractStopping(abc.ABC):
    """Window lengths, the decision after each window, and budgets that the loop enforces."""

    #: Budget of iterations, including the tail of the schedule; None for no limit.
    max_iterations: int | None
    #: Budget of seconds; None for no limit.
    max_seconds: float | None

    @abc.abstractmethod
    def window_length(self, index: int) -> int:
        """Iterations of the window with this index; a budget can shorten the window."""

    @abc.abstractmethod
    def decide(self, windows: Sequence[Window]) -> StopReason | None:
        """The reason to end the main phase after these windows, or None to continue."""


def _validate_budgets(max_iterations: int | None, max_seconds: float | None) -> None:
    """Raise an error if a budget is not positive."""
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
        _validate_budgets(self.max_iterations, self.max_seconds)
        if self.window < 1:
            raise OptionError(f"window must be at least 1, not {self.window}")

    def window_length(self, index: int) -> int:
        """The same length for every window."""
        return self.window

    def decide(self, windows: Sequence[Window]) -> StopReason | None:
        """Always None: the budget ends the fit."""
        return None


@dataclass(frozen=True)
class ElboPlateau(AbstractStopping):
    """Windows of doubling length, until the ELBO no longer improves significantly.

    The mean ELBO of the last window is compared with that of the window before.  The fit continues
    if the gain of the average over the chains exceeds ``num_standard_errors`` standard errors and
    ``tolerance``.  It also continues if the gain of one chain exceeds ``tolerance`` and
    ``num_standard_errors`` + 1 of its standard errors.

    Parameters
    ----------
    first_window
        Length of the first window.
    max_iterations, max_seconds
        Budgets, or None.
    tolerance
        Largest gain in nats that ends the fit.
    num_standard_errors
        Number of standard errors that a gain must exceed.

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
        _validate_budgets(self.max_iterations, self.max_seconds)
        if self.first_window < 2:
            raise OptionError(f"first_window must be at least 2, not {self.first_window}")
        if not self.tolerance >= 0:
            raise OptionError(f"tolerance must be at least 0, not {self.tolerance}")

    def window_length(self, index: int) -> int:
        """Twice the length of the window before."""
        return self.first_window * 2**index

    def decide(self, windows: Sequence[Window]) -> StopReason | None:
        """CONVERGED if the gain of the last window is too small."""
        if len(windows) < 2:
            return None
        last, before = windows[-1], windows[-2]
        if last.iterations < before.iterations:
            return None  # shortened by a budget: its Monte Carlo error is too large
        gain = last.elbo - before.elbo
        gain_se = np.sqrt(last.elbo_se**2 + before.elbo_se**2)
        chains = len(gain)
        mean_gain_se = math.sqrt(float((gain_se**2).sum())) / chains
        on_average = gain.mean() > max(self.num_standard_errors * mean_gain_se, self.tolerance)
        factor = self.num_standard_errors + EXTRA_STANDARD_ERRORS
        by_chain = gain > np.maximum(factor * gain_se, self.tolerance)
        # An ELBO that is not finite is no reason to stop here; the loop handles it.
        if on_average or by_chain.any() or not np.all(np.isfinite(gain)):
            return None
        return StopReason.CONVERGED
