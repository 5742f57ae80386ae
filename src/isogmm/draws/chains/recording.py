"""Recorded transitions of the chains, within limits of memory and gradient evaluations."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import DTypeLike

from isogmm.draws.chains.sampler import Sampler
from isogmm.draws.chains.stored_positions import StoredPositions

#: Arrays of the size of the positions that are stored with the recycled states: positions and
#: gradients of the middles and of the ends.
NUM_ARRAYS = 4
#: Length for which the memory is reserved, as a multiple of the planned one.
MAX_GROWTH = 3


class States(NamedTuple):
    """Recorded states of m chains in the order of time.

    With gradients they are the middle and the end of each transition in turn, s = 2t.  Without
    gradients, where memory is short, they are the ends alone, s = t.

    Parameters
    ----------
    positions, log_density
        (m, s, d), (m, s): positions and log π.
    points, gradients
        (m, s, d), (m, s, d): the same states in the coordinates of the chains, and the gradients
        of their log density there; or None.
    """

    positions: Float[np.ndarray, "m s d"]
    log_density: Float[np.ndarray, "m s"]
    points: Float[np.ndarray, "m s d"] | None = None
    gradients: Float[np.ndarray, "m s d"] | None = None


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
    dtype
        Floating type of the stored positions.
    """

    def __init__(
        self,
        sampler: Sampler,
        gradients_before: int,
        length: int,
        max_numbers: int,
        max_gradients: int,
        dtype: DTypeLike = np.float64,
    ) -> None:
        self.sampler, self.gradients_before = sampler, gradients_before
        self.max_numbers, self.max_gradients = max_numbers, max_gradients
        #: Transitions of the chains before the first recorded one.
        self.num_before = sampler.count
        self.thinning = self._thinning(length)
        most = MAX_GROWTH * (-(-length // self.thinning))
        room = max_numbers // sampler.chains.points.size
        self.positions = StoredPositions(min(most, max(room, 1)), np.dtype(dtype))
        self.log_density: list[np.ndarray] = []
        #: Positions, log π and gradients of the middle; gradients of the end.
        self.recycled: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self.acceptance: list[float] = []
        self.moved: list[np.ndarray] = []

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
                self._store_recycled()
            self.acceptance.append(acceptance)
            self.moved.append(moved)
            share = self.num_gradients() / self.max_gradients
            if share > 1 and len(self) >= min_length / (2 if share > 2 else 1):
                break

    def discard_first_half(self) -> None:
        """Discard the first half, which depends more on the starting points than the second."""
        num_stored = len(self.positions) // 2
        num_transitions = num_stored * self.thinning
        self.num_before += num_transitions
        self.positions.keep(range(num_stored, len(self.positions)))
        del self.log_density[:num_stored], self.recycled[:num_stored]
        del self.acceptance[:num_transitions], self.moved[:num_transitions]

    def plan(self, length: int) -> None:
        """Store fewer positions if memory does not suffice for a recording of this length."""
        factor = -(-self._thinning(length) // self.thinning)
        self.thinning *= factor
        self.positions.keep(range(0, len(self.positions), factor))
        self.log_density = self.log_density[::factor]
        self.recycled = self.recycled[::factor]

    def _thinning(self, length: int) -> int:
        """Transitions between stored positions in a recording of this length."""
        return max(1, -(-length * self.sampler.chains.points.size // self.max_numbers))

    def _store_recycled(self) -> None:
        """Store the middle states and the gradients, if there are those of all transitions."""
        sampler, count = self.sampler, len(self.positions)
        is_complete = len(self.recycled) == count - 1
        if is_complete and NUM_ARRAYS * count * sampler.chains.points.size <= self.max_numbers:
            coordinates, middle = sampler.coordinates, sampler.recycled
            positions = coordinates.positions(middle)
            log_density = coordinates.log_density(middle)
            gradients = middle.gradients, sampler.chains.gradients
            self.recycled.append((positions, log_density, *gradients))
        else:
            self.recycled = []

    def states(self, draws: Float[np.ndarray, "m t d"] | None = None) -> States:
        """Every stored state of every chain; the draws are :attr:`draws` unless given."""
        draws = self.draws if draws is None else draws
        log_density = np.stack(self.log_density, axis=1)
        if not self.recycled:
            return States(draws, log_density)
        positions, logs, gradients, own_gradients = (
            np.stack(part, axis=1) for part in zip(*self.recycled, strict=True)
        )
        positions = _in_turn(positions, draws)
        points = self.sampler.points_of(positions.reshape(-1, draws.shape[-1]))
        return States(
            positions,
            _in_turn(logs, log_density),
            points.reshape(positions.shape),
            _in_turn(gradients, own_gradients),
        )

    @property
    def num_moves(self) -> Int[np.ndarray, " m"]:
        """Transitions in which each chain moved."""
        return np.sum(self.moved, axis=0, dtype=int)

    @property
    def draws(self) -> Float[np.ndarray, "m t d"]:
        """Every stored position of every chain, without a copy."""
        return self.positions.values

    def finished(self) -> Float[np.ndarray, "m t d"]:
        """The draws in C order, after which nothing can be recorded."""
        return self.positions.contiguous()


def _in_turn(middle: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Both arrays (m, t, ...) in turn along the second axis."""
    both = np.stack([middle, end], axis=2)
    return both.reshape(len(end), 2 * end.shape[1], *end.shape[2:])
