"""Adaptation of the coordinates of parallel chains to their positions, during the warm-up."""

from collections import deque
from contextlib import suppress

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.convergence import without_group_means
from isogmm.draws.chains.coordinates import noncentered_map, whitened
from isogmm.draws.chains.learn_noncentering import learn_noncentering
from isogmm.draws.chains.learn_pooled import learn_pooled, num_transitions
from isogmm.draws.chains.noncentering import NonCenteredTarget, NonCentering
from isogmm.draws.chains.state import Chains, Density, start_chains
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.target import Target

#: Transitions after which the coordinates are adapted; a non-centered form is sought from the
#: second of them on.
ADAPTATION_TRANSITIONS = (3, 6, 12, 24, 48, 96)
FIRST_NONCENTERING = ADAPTATION_TRANSITIONS[1]
#: Transitions, at most, whose positions a non-centered form is learned from.
NUM_LEARNING_TRANSITIONS = 12
#: A non-centered form is used where it reduces the sd of the log ratio to a Gaussian below this
#: multiple.  Hierarchies have 0.85 and less, often 0.2; bananas, which it does not make
#: Gaussian, reach 0.93.
MAX_SD_RATIO = 0.9
#: The same in more than ``MAX_DENSE_DIM`` dimensions.  Centered hierarchies have 0.3 and less.  A
#: non-centered model with 502 coordinates had 0.67 to 0.74, because the data narrow its effects
#: where the scale is large; a log-linear form of this made the scale 1.4 times too wide.
MAX_POOLED_SD_RATIO = 0.5
#: Growth of the sd of a scale since the start, as a factor, from which on a form is used in more
#: than ``MAX_DENSE_DIM`` dimensions.  Bernoulli data of 500 and 1,000 groups had 2.0 and 2.2 after
#: six transitions.  Normal observations had 1.2; a form doubled their gradients for nothing.
MIN_SCALE_GROWTH = 1.5
#: Below this multiple at the first attempt the warm-up lasts until a second attempt.
MAX_FIRST_SD_RATIO = 0.97
#: The warm-up lasts this multiple of the transitions before the first attempt, for a second
#: attempt; and of those before the first non-centered form, for two more attempts.
SECOND_ATTEMPT_FACTOR, LAST_ATTEMPT_FACTOR = 2, 4


class CoordinateAdaptation:
    """Coordinates of the chains: whitened, and in a non-centered form where there are funnels.

    Parameters
    ----------
    target, chains, groups
        As for :class:`isogmm.draws.chains.sampler.Sampler`.
    allow_noncentering
        Whether a non-centered form is sought.

    Attributes
    ----------
    space
        The density that the chains sample: the target, or its non-centered form.
    noncentering
        The non-centered form, or None.
    changed_at
        Number of transitions at the last change of the non-centered form.
    adapted_at
        Number of transitions at the last change of any kind.
    settled_at
        Number of transitions until which the form may change freely; the warm-up lasts as long.
    """

    def __init__(
        self,
        target: Target,
        chains: Chains,
        groups: Int[np.ndarray, " m"],
        *,
        allow_noncentering: bool,
    ) -> None:
        self.target, self.groups = target, groups
        self.space: Density = target
        self.noncentering: NonCentering | None = None
        self.changed_at = self.adapted_at = self.settled_at = 0
        self._centered_map = chains.affine_map
        num_kept = NUM_LEARNING_TRANSITIONS
        if chains.points.shape[1] > MAX_DENSE_DIM:
            num_kept = min(num_kept, num_transitions(*chains.points.shape))
        self._visited: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=num_kept)
        # Several modes may have different funnels, which one form cannot represent.
        is_unimodal = bool(np.all(groups == groups[0]))
        self._seeks_noncentering = allow_noncentering and is_unimodal
        is_large = chains.points.shape[1] > MAX_DENSE_DIM
        self._learn = learn_pooled if is_large else learn_noncentering
        self._max_sd_ratio = MAX_POOLED_SD_RATIO if is_large else MAX_SD_RATIO
        self._min_growth = MIN_SCALE_GROWTH if is_large else 0.0
        self._start_sd = chains.positions.std(axis=0)

    def positions(self, chains: Chains) -> Float[np.ndarray, "m d"]:
        """Positions of the chains in the coordinates of the target."""
        points = chains.positions
        return points if self.noncentering is None else self.noncentering.forward(points)

    def log_density(self, chains: Chains) -> Float[np.ndarray, " m"]:
        """log π of the target at these positions."""
        if self.noncentering is None:
            return chains.log_density
        return chains.log_density - self.noncentering.log_det(chains.positions)

    @property
    def scales(self) -> Int[np.ndarray, " s"]:
        """Coordinates that are scales of others in the non-centered form; none without one."""
        if self.noncentering is None:
            return np.zeros(0, dtype=int)
        return self.noncentering.roots[self.noncentering.exponents.any(axis=0)]

    def adapt(self, chains: Chains, count: int) -> Chains:
        """The chains in the coordinates that suit them after ``count`` transitions."""
        if self._seeks_noncentering:
            self._visited.append((self.positions(chains), self.log_density(chains)))
        if count not in ADAPTATION_TRANSITIONS:
            return chains
        chains, self.adapted_at = self._whiten(chains), count
        if self._seeks_noncentering and count >= FIRST_NONCENTERING:
            # Degenerate draws leave the coordinates as they are.
            with suppress(OptionError, np.linalg.LinAlgError):
                chains = self._update_noncentering(chains, count)
        self._visited.clear()
        return chains

    def _whiten(self, chains: Chains) -> Chains:
        """The chains in coordinates of unit covariance within their modes."""
        centered = without_group_means(chains.points, self.groups)
        return chains.moved_to(whitened(chains.affine_map, centered, len(centered)))

    def _update_noncentering(self, chains: Chains, count: int) -> Chains:
        """Learn a non-centered form from recent positions; use it, keep the old one, or neither."""
        visited = zip(*self._visited, strict=True)
        positions, log_density = (np.concatenate(part) for part in visited)
        old = self.noncentering
        has_grown = positions.std(axis=0) >= self._min_growth * self._start_sd
        if old is None:
            self._centered_map = chains.affine_map
            if not has_grown.any():
                return chains
        elif count > self.settled_at and not self._has_funnels(old, positions, log_density):
            return chains
        learned = self._learn(positions, log_density, len(self.groups))
        if learned is None:
            return chains
        noncentering, sd_ratio = learned
        scales = noncentering.roots[noncentering.exponents.any(axis=0)]
        if old is None and not has_grown[scales].any():
            return chains
        if sd_ratio < self._max_sd_ratio:
            return self._use(noncentering, positions, chains, count)
        if old is not None and count <= self.settled_at:
            return self._remove_noncentering(chains, count)
        if sd_ratio < MAX_FIRST_SD_RATIO and count == FIRST_NONCENTERING:
            self.settled_at = SECOND_ATTEMPT_FACTOR * count
        return chains

    def _has_funnels(
        self,
        noncentering: NonCentering,
        positions: Float[np.ndarray, "n d"],
        log_density: Float[np.ndarray, " n"],
    ) -> bool:
        """Whether there are funnels left in the coordinates of a non-centered form."""
        points = noncentering.inverse(positions)
        log_density = log_density + noncentering.log_det(positions)
        learned = self._learn(points, log_density, len(self.groups))
        return learned is not None and learned[1] < self._max_sd_ratio

    def _use(
        self,
        noncentering: NonCentering,
        positions: Float[np.ndarray, "n d"],
        chains: Chains,
        count: int,
    ) -> Chains:
        """The chains in the coordinates of a non-centered form."""
        affine_map = noncentered_map(noncentering, self._centered_map, positions, len(self.groups))
        space = NonCenteredTarget(self.target, noncentering)
        chains = start_chains(space, noncentering.inverse(self.positions(chains)), affine_map)
        if self.noncentering is None:
            # Chains that have moved deeper into the neck may determine other scales.
            self.settled_at = LAST_ATTEMPT_FACTOR * count
        self.space, self.noncentering, self.changed_at = space, noncentering, count
        return chains

    def _remove_noncentering(self, chains: Chains, count: int) -> Chains:
        """The chains in coordinates of the target: a later attempt did not confirm the form."""
        positions = self.positions(chains)
        chains = self._whiten(start_chains(self.target, positions, self._centered_map))
        self.space, self.noncentering, self.changed_at = self.target, None, count
        return chains
