"""Adaptation of the coordinates of parallel chains to their positions, during the warm-up."""

from contextlib import suppress

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.chains.convergence import without_group_means
from isogmm.draws.chains.coordinates import noncentered_map, whitened
from isogmm.draws.chains.learn_noncentering import MAX_DIM, learn_noncentering
from isogmm.draws.chains.noncentering import NonCenteredTarget, NonCentering
from isogmm.draws.chains.state import Chains, Density, start_chains
from isogmm.errors import OptionError
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
        self.changed_at = self.settled_at = 0
        self._centered_map = chains.affine_map
        self._visited: list[tuple[np.ndarray, np.ndarray]] = []
        # Several modes may have different funnels, which one form cannot represent.
        is_unimodal = bool(np.all(groups == groups[0]))
        self._seeks_noncentering = (
            allow_noncentering and is_unimodal and chains.points.shape[1] <= MAX_DIM
        )

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
        chains = self._whiten(chains)
        if self._seeks_noncentering and count >= FIRST_NONCENTERING:
            # Degenerate draws leave the coordinates as they are.
            with suppress(OptionError, np.linalg.LinAlgError):
                chains = self._update_noncentering(chains, count)
        self._visited = []
        return chains

    def _whiten(self, chains: Chains) -> Chains:
        """The chains in coordinates of unit covariance within their modes."""
        centered = without_group_means(chains.points, self.groups)
        return chains.moved_to(whitened(chains.affine_map, centered, len(centered)))

    def _update_noncentering(self, chains: Chains, count: int) -> Chains:
        """Learn a non-centered form from recent positions; use it, keep the old one, or neither."""
        recent = self._visited[-NUM_LEARNING_TRANSITIONS:]
        positions, log_density = (np.concatenate(part) for part in zip(*recent, strict=True))
        old = self.noncentering
        if old is None:
            self._centered_map = chains.affine_map
        elif count > self.settled_at and not self._has_funnels(old, positions, log_density):
            return chains
        learned = learn_noncentering(positions, log_density, len(self.groups))
        if learned is None:
            return chains
        noncentering, sd_ratio = learned
        if sd_ratio < MAX_SD_RATIO:
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
        learned = learn_noncentering(points, log_density, len(self.groups))
        return learned is not None and learned[1] < MAX_SD_RATIO

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
