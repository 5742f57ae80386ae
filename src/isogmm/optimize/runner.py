"""What the loop runs: the state of one optimization, and how it takes iterations."""

import abc
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from isogmm.mixtures.affine_map import AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.processes import agreed_seconds
from isogmm.model.target import Target

#: The mixture that is optimized.
Mixture = TypeVar("Mixture")


@runtime_checkable
class Collector(Protocol):
    """Collects the gradients of a window; see :class:`isogmm.optimize.whitening.GradientSpread`."""

    def add(self, gradients: np.ndarray, variances: np.ndarray, finite: np.ndarray) -> None:
        """Add the gradients (c, k, s, d) at the samples of one iteration."""

    def update(self, affine_map: AffineMap, means: np.ndarray) -> tuple[AffineMap, np.ndarray]:
        """The adapted map, and the means (c, k, d) in its coordinates."""


@runtime_checkable
class WhiteningAdaptation(Protocol):
    """Adapts the affine map between windows; see :mod:`isogmm.optimize.whitening`."""

    def collector(self) -> Collector:
        """An empty collection for one window."""


@dataclass(frozen=True)
class WindowPlan:
    """The iterations between two checks, with the step sizes of the schedule.

    Parameters
    ----------
    step_sizes
        γ of each iteration.
    averaging
        Share of the newest mixture in the running average after each iteration; 1 drops the
        average so far.
    deadline
        Seconds since the start after which the window ends early.
    in_tail
        Whether the step size decreases and the iterates are averaged.
    collector
        Collects gradients for the adaptation of the whitening, or None.
    """

    step_sizes: Sequence[float]
    averaging: Sequence[float]
    deadline: float
    in_tail: bool = False
    collector: Collector | None = None

    @property
    def length(self) -> int:
        """Number of iterations."""
        return len(self.step_sizes)


class AbstractRunner(abc.ABC, Generic[Mixture]):
    """The state of one optimization, for any family of mixtures.

    Parameters
    ----------
    target
        The target, whose gradient evaluations are counted from now on.
    """

    def __init__(self, target: Target) -> None:
        self.target = FitTarget.of(target)
        #: Iterations done so far.
        self.iterations = 0
        self._evaluations_before = self.target.num_gradient_evaluations
        self._started = time.perf_counter()

    @abc.abstractmethod
    def iterate(self, plan: WindowPlan, done: int) -> tuple[list[Any], list[Any]]:
        """Take the next iteration of a window, or several at once.

        Parameters
        ----------
        plan
            The window.
        done
            Iterations of the window done so far.

        Returns
        -------
        elbos, counts
            For each iteration taken the ELBO estimates of the chains (c,) and the counts of
            finite samples that :meth:`finite_samples` summarizes.
        """

    def adapt(self, collector: Collector) -> None:
        """Change to the affine map estimated from the collected gradients; no change by default."""

    @abc.abstractmethod
    def mixture(self) -> Mixture:
        """The fit so far."""

    @abc.abstractmethod
    def finite_samples(self, counts: Sequence[Any]) -> tuple[bool, np.ndarray]:
        """Whether all components had finite samples in a window, and how many each chain missed."""

    @abc.abstractmethod
    def rule_state(self) -> Any:
        """State of the update rule, as NumPy arrays."""

    @abc.abstractmethod
    def is_finite(self) -> bool:
        """Whether the fit so far is a mixture."""

    def seconds(self) -> float:
        """Seconds since the start."""
        return agreed_seconds(self.target, time.perf_counter() - self._started)

    def gradient_evaluations(self) -> int:
        """Gradients of the target since the start."""
        return self.target.num_gradient_evaluations - self._evaluations_before
