"""What the loop drives: where a fit stands, and how it takes its iterations."""

import abc
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from isogmm.model.fit_target import FitTarget
from isogmm.model.target import Target


class AbstractRunner(abc.ABC):
    """The moving parts of one fit, of any family of mixtures.

    Parameters
    ----------
    target
        The target, whose gradient evaluations are counted from now on.
    """

    def __init__(self, target: Target) -> None:
        self.target = FitTarget.of(target)
        #: Iterations done so far.
        self.iterations = 0
        self.evaluations_before = self.target.num_gradient_evaluations
        self.started = time.perf_counter()

    @abc.abstractmethod
    def iteration(self, step_size: float, averaging: float, collector: Any) -> tuple[Any, Any]:
        """One iteration; returns its ELBO estimates (c,) and counts of finite samples."""

    def window(
        self,
        step_sizes: Sequence[float],
        averagings: Sequence[float],
        deadline: float,
        collector: Any,
    ) -> tuple[np.ndarray, Any]:
        """Iterations with these step sizes and shares, fewer if the deadline passes.

        Returns their ELBO estimates (t, c) and their counts, for :meth:`finite_samples`.
        """
        elbos, counts = [], []
        for index, (step_size, averaging) in enumerate(zip(step_sizes, averagings, strict=True)):
            # The second half only: the first may still be on the way from the last window.
            spread = collector if index >= len(step_sizes) // 2 else None
            elbo, num_finite = self.iteration(step_size, averaging, spread)
            elbos.append(elbo)
            counts.append(num_finite)
            if self.seconds() >= deadline:
                break
        return np.stack(elbos), counts

    def adapt(self, collector: Any) -> None:  # noqa: B027
        """Move to the coordinates that the collected gradients ask for; none by default."""

    @abc.abstractmethod
    def mixture(self) -> Any:
        """The fit so far."""

    @abc.abstractmethod
    def finite_samples(self, counts: Any) -> tuple[bool, np.ndarray]:
        """Of a window: whether every component had some, and how many each chain lacks."""

    @abc.abstractmethod
    def rule_state(self) -> Any:
        """State of the rule, on the host."""

    @abc.abstractmethod
    def is_finite(self) -> bool:
        """Whether the fit so far is a mixture."""

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.started

    def gradient_evaluations(self) -> int:
        """Gradients of the target since the start."""
        return self.target.num_gradient_evaluations - self.evaluations_before
