"""Recorded transitions of the chains, within limits of memory and gradient evaluations."""

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.sampler import Sampler


class Recording:
    """Positions of the chains after each transition, or after every n-th if memory is short.

    Parameters
    ----------
    sampler
        The chains.
    gradients_before
        Gradient evaluations of the target when the refinement began.
    length
        Planned number of transitions.
    max_numbers
        Coordinates that may be stored.
    max_gradients
        Budget of gradient evaluations of the refinement.
    """

    def __init__(
        self,
        sampler: Sampler,
        gradients_before: int,
        length: int,
        max_numbers: int,
        max_gradients: int,
    ) -> None:
        self.sampler, self.gradients_before = sampler, gradients_before
        self.max_numbers, self.max_gradients = max_numbers, max_gradients
        self.thinning = max(1, -(-length * sampler.chains.points.size // max_numbers))
        self.positions: list[np.ndarray] = []
        self.log_density: list[np.ndarray] = []
        self.acceptance: list[float] = []
        self.num_moves = np.zeros(len(sampler.chains.points))

    def __len__(self) -> int:
        """Number of transitions."""
        return len(self.acceptance)

    def num_gradients(self) -> int:
        """Gradient evaluations since the refinement began."""
        return self.sampler.target.num_gradient_evaluations - self.gradients_before

    def has_room(self, count: int) -> bool:
        """Whether the limits allow this number of further transitions."""
        size = self.sampler.chains.points.size
        fits = (len(self.positions) + count) * size <= self.max_numbers
        return self.thinning == 1 and fits and self.num_gradients() <= self.max_gradients

    def extend(self, count: int, min_length: int = 0) -> None:
        """Record further transitions.

        Parameters
        ----------
        count
            Their number, unless the budget ends the recording.
        min_length
            Transitions of the whole recording that may cost twice the budget.  Half of them
            are recorded at any cost.
        """
        for _ in range(count):
            acceptance, moved = self.sampler.transition(tune=False)
            if len(self) % self.thinning == 0:
                self.positions.append(self.sampler.positions)
                self.log_density.append(self.sampler.log_density)
            self.acceptance.append(acceptance)
            self.num_moves += moved
            share = self.num_gradients() / self.max_gradients
            if share > 1 and len(self) >= min_length / (2 if share > 2 else 1):
                break

    @property
    def draws(self) -> Float[np.ndarray, "m t d"]:
        """Every stored position of every chain."""
        return np.stack(self.positions, axis=1)
