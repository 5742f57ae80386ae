"""A target with the gradient count and the time limit of one fit."""

import time
from dataclasses import dataclass, field, fields

import numpy as np
from jaxtyping import Float

from isogmm.errors import DeadlineReachedError
from isogmm.model.processes import agreed_seconds
from isogmm.model.target import Target


@dataclass(kw_only=True, eq=False)
class FitTarget(Target):
    """A target that counts its gradient evaluations and stops at a deadline.

    Every fit makes its own.  Two fits of one target share only the compiled programs.

    Attributes
    ----------
    num_gradient_evaluations
        Number of points evaluated so far.
    deadline
        Time of ``time.perf_counter`` after which :meth:`evaluate` raises; None for no limit.
    """

    num_gradient_evaluations: int = field(default=0, init=False)
    deadline: float | None = field(default=None, init=False)

    @classmethod
    def of(cls, target: Target, max_seconds: float | None = None) -> "FitTarget":
        """The target of a fit that may take ``max_seconds``; a FitTarget is returned unchanged."""
        if isinstance(target, FitTarget):
            return target
        own = cls(**{part.name: getattr(target, part.name) for part in fields(target)})
        if max_seconds is not None:
            own.deadline = time.perf_counter() + max_seconds
        return own

    def evaluate(
        self, positions: Float[np.ndarray, "*n d"]
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n d"]]:
        """See :meth:`Target.evaluate`.

        Raises
        ------
        DeadlineReachedError
            If the deadline has passed.
        """
        deadline = self.deadline
        if deadline is not None and agreed_seconds(self, time.perf_counter() - deadline) > 0:
            raise DeadlineReachedError
        values, gradients = super().evaluate(positions)
        self.num_gradient_evaluations += values.size
        return values, gradients
