"""What is kept of the chains' walk, within the bounds of memory and budget."""

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.sampler import Sampler


class Recording:
    """Transitions that are kept: every one, or as many as memory has room for."""

    def __init__(
        self, sampler: Sampler, begin: int, length: int, max_numbers: int, max_gradients: int
    ) -> None:
        self.sampler, self.begin = sampler, begin
        self.max_numbers, self.max_gradients = max_numbers, max_gradients
        self.every = max(1, -(-length * sampler.chains.points.size // max_numbers))
        self.positions: list[np.ndarray] = []
        self.log_density: list[np.ndarray] = []
        self.accepted: list[float] = []
        self.moves = np.zeros(len(sampler.chains.points))

    def spent(self) -> int:
        """Gradients since the refinement began."""
        return self.sampler.target.num_gradient_evaluations - self.begin

    def has_room(self, count: int) -> bool:
        """Whether memory and budget allow so many transitions more."""
        size = self.sampler.chains.points.size
        fits = (len(self.positions) + count) * size <= self.max_numbers
        return self.every == 1 and fits and self.spent() <= self.max_gradients

    def extend(self, count: int, at_least: int = 0) -> None:
        """Record so many transitions more, ``at_least`` of all where twice the budget allows.

        Half of them are recorded whatever they cost.
        """
        for _ in range(count):
            probability, moved = self.sampler.transition(tune=False)
            if len(self.accepted) % self.every == 0:
                self.positions.append(self.sampler.positions)
                self.log_density.append(self.sampler.log_density)
            self.accepted.append(probability)
            self.moves += moved
            share = self.spent() / self.max_gradients
            if share > 1 and len(self.accepted) >= at_least / (2 if share > 2 else 1):
                break

    @property
    def draws(self) -> Float[np.ndarray, "m t d"]:
        """Every kept position of every chain."""
        return np.stack(self.positions, axis=1)
