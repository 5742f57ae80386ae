"""Warm-up of parallel chains, until they are independent of their starting points."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from isogmm.draws.chains.convergence import (
    has_spread,
    independence_threshold,
    start_correlation,
)
from isogmm.draws.chains.sampler import Sampler
from isogmm.mixtures.affine_map import MAX_DENSE_DIM

#: Share of the budget of gradient evaluations after which the warm-up ends.
MAX_WARMUP_SHARE = 0.5
#: Transitions in a non-centered form after which the chains are about as wide as draws of a
#: Gaussian without correlations in it.  With 502 coordinates the sd of the log of a scale was 0.10
#: before them, 0.14 after them, 0.16 in the Gaussian, and 0.31 in the posterior.
NUM_WIDENING_TRANSITIONS = 2
#: The warm-up lasts this multiple of the transitions before the last change of the form, in more
#: than ``MAX_DENSE_DIM`` dimensions: the chains were too narrow before it.
POOLED_WARMUP_FACTOR = 2


class WarmUp:
    """Warm-up of the chains.

    It lasts until the correlation with the starting points is below a threshold for every
    coordinate, and then as many transitions again.  In many dimensions it also lasts until the step
    size is tuned.  Where the chains change to other coordinates,
    or have spread far beyond their starting points, their positions become the new starting
    points.

    Parameters
    ----------
    sampler
        The chains.
    min_transitions
        Smallest number of transitions.
    max_gradients
        Budget of gradient evaluations of the refinement.

    Attributes
    ----------
    gradients_before
        Gradient evaluations of the target when the warm-up began.
    starting_points
        (m, d): positions at the start, or where they were replaced last.
    threshold
        Correlation below which the chains count as independent of them.
    independent_at
        Number of transitions when they were independent first, or None.
    start, wide_start
        (m, d): positions at the start; the same, or soon after the first change to a non-centered
        form in more than ``MAX_DENSE_DIM`` dimensions.
    """

    def __init__(self, sampler: Sampler, min_transitions: int, max_gradients: int) -> None:
        self.sampler = sampler
        self.min_transitions, self.max_gradients = min_transitions, max_gradients
        self.gradients_before = sampler.target.num_gradient_evaluations
        self.starting_points = self.start = self.wide_start = sampler.positions
        self.threshold = independence_threshold(*self.starting_points.shape)
        self.independent_at: int | None = None
        self._length, self._replaced_at, self._first_change = min_transitions, 0, 0
        self._is_pooled = self.starting_points.shape[1] > MAX_DENSE_DIM

    @property
    def age(self) -> int:
        """Transitions since the positions became the starting points."""
        return self.sampler.count - max(self._replaced_at, self.sampler.coordinates.changed_at)

    def run(self, is_confirmed: Callable[[np.ndarray], bool] | None) -> bool:
        """Run the warm-up.

        Parameters
        ----------
        is_confirmed
            Called with the positions (m, d) after ``min_transitions`` transitions; None to skip
            this.

        Returns
        -------
        bool
            Whether the chains are needed: False where ``is_confirmed`` returned True, which ends
            the warm-up.
        """
        sampler = self.sampler
        while not self._is_complete():
            sampler.transition(tune=True)
            self._update_independence()
            is_due = sampler.count == self.min_transitions
            if is_confirmed is not None and is_due and is_confirmed(sampler.positions):
                return False
            num_gradients = sampler.target.num_gradient_evaluations - self.gradients_before
            if num_gradients > MAX_WARMUP_SHARE * self.max_gradients:
                break
        return True

    def widest_start(self) -> Float[np.ndarray, "m d"]:
        """The positions that tell whether the chains started too narrow.

        Those of the start where a neck is left, which the non-centered form has not removed.
        """
        return self.start if self.sampler.neck else self.wide_start

    def _is_complete(self) -> bool:
        """Whether the chains are independent and have run long enough."""
        coordinates = self.sampler.coordinates
        length = max(self._length, coordinates.settled_at)
        if self._is_pooled:
            length = max(length, POOLED_WARMUP_FACTOR * coordinates.changed_at)
        if self.sampler.count < length or self.independent_at is None:
            return False
        return self.sampler.has_tuned_steps

    def _update_independence(self) -> None:
        """Compare the positions with the starting points, or replace these."""
        positions = self.sampler.positions
        self._first_change = self._first_change or self.sampler.coordinates.changed_at
        settled = self._first_change + NUM_WIDENING_TRANSITIONS
        if self._is_pooled and self._first_change and self.sampler.count == settled:
            self.wide_start = positions
        if self.age > 0 and has_spread(self.starting_points, positions):
            self._replaced_at = self.sampler.count
        if self.age == 0:
            self.starting_points = positions
            self.independent_at, self._length = None, self.min_transitions
        if self.independent_at is not None or self.age <= 1:
            return
        correlation = start_correlation(self.starting_points, positions, self.sampler.groups)
        if correlation.max() < self.threshold:
            self.independent_at = self.sampler.count
            self._length = max(self._length, self.independent_at + self.age)
