"""A target with the gradient count and the time limit of one fit."""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields

import numpy as np
from jaxtyping import Float

from isogmm.errors import DeadlineReachedError
from isogmm.model.interrupts import check_interrupt
from isogmm.model.processes import agreed_seconds
from isogmm.model.programs.size import BATCH_ROWS
from isogmm.model.target import MAX_PENDING_CHUNKS, Chunk, Groups, Target
from isogmm.model.time_limit import TimeLimit, checked_by

#: Seconds of a batch above which no further batch is requested ahead while a limit is set.  A
#: request ahead saves about a tenth of a millisecond, but it cannot be cancelled.
MAX_SECONDS_AHEAD = 0.05


@dataclass(kw_only=True, eq=False)
class FitTarget(Target):
    """A target that counts its gradient evaluations and stops at a deadline.

    Every fit makes its own.  Two fits of one target share only the compiled programs.

    Parameters
    ----------
    limit
        The time limit.  Copies of the target share it.

    Attributes
    ----------
    num_gradient_evaluations
        Number of points evaluated so far with :meth:`evaluate` and :meth:`values`.
    num_value_evaluations
        Number of points evaluated so far with :meth:`values_alone`.
    """

    limit: TimeLimit = field(default_factory=TimeLimit)
    num_gradient_evaluations: int = field(default=0, init=False)
    num_value_evaluations: int = field(default=0, init=False)

    @classmethod
    def of(cls, target: Target, max_seconds: float | None = None) -> "FitTarget":
        """The target of a fit that may take ``max_seconds``; a FitTarget is returned unchanged."""
        if isinstance(target, FitTarget):
            return target
        parts = [part.name for part in fields(target) if part.init]
        own = cls(**{name: getattr(target, name) for name in parts}, limit=TimeLimit(max_seconds))
        own.constrain = functools.partial(_constrain, own.check_time, target.constrain)
        return own

    @property
    def deadline(self) -> float | None:
        """Time of ``time.perf_counter`` after which evaluations raise; None for no limit."""
        return self.limit.deadline

    @deadline.setter
    def deadline(self, deadline: float | None) -> None:
        self.limit.deadline = deadline

    def check_time(self) -> None:
        """Raise an error if the deadline has passed.

        Raises
        ------
        DeadlineReachedError
            If it has passed.
        """
        deadline = self.deadline
        if deadline is not None and agreed_seconds(self, time.perf_counter() - deadline) > 0:
            raise DeadlineReachedError

    def _evaluated(
        self, positions: Float[np.ndarray, "*n d"], *, keep_gradients: bool = True
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n d"] | None]:
        """Counts the points of :meth:`Target.evaluate` and :meth:`Target.values`.

        Raises
        ------
        DeadlineReachedError
            If the deadline has passed, also between two batches.
        KeyboardInterrupt
            If Ctrl-C was pressed and a library has caught the exception.
        """
        check_interrupt()
        self.check_time()
        with checked_by(self.check_time):
            return super()._evaluated(positions, keep_gradients=keep_gradients)

    def values_alone(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """Counts the points of :meth:`Target.values_alone`.

        Raises
        ------
        DeadlineReachedError
            If the deadline has passed before the call.
        KeyboardInterrupt
            If Ctrl-C was pressed and a library has caught the exception.
        """
        check_interrupt()
        self.check_time()
        self.num_value_evaluations += len(positions)
        return super().values_alone(positions)

    def _evaluate_chunks(self, positions: Float[np.ndarray, "n d"]) -> Iterator[Chunk]:
        """The results in chunks; the deadline is checked before each of them."""
        if self.evaluate_rows is not None and self.deadline is not None:
            chunks = self._evaluate_slices(positions)
        else:
            chunks = super()._evaluate_chunks(positions)
        begin = time.perf_counter()
        for chunk in chunks:
            yield chunk
            rows, end = chunk[0], time.perf_counter()
            self.num_gradient_evaluations += rows.stop - rows.start
            # Several processes must request the batches and the checks in the same order.
            if self.deadline is not None and not self.spans_processes:
                is_slow = end - begin > MAX_SECONDS_AHEAD
                self._max_pending = 0 if is_slow else MAX_PENDING_CHUNKS
            if rows.stop < len(positions):
                self.check_time()
            begin = end

    def _evaluate_slices(self, positions: Float[np.ndarray, "n d"]) -> Iterator[Chunk]:
        """The results of workers in slices.  Each row has the same result in any slice."""
        assert self.evaluate_rows is not None
        for begin in range(0, len(positions), BATCH_ROWS):
            rows = slice(begin, min(begin + BATCH_ROWS, len(positions)))
            yield (rows, *self.evaluate_rows(positions[rows]))


def _constrain(
    check: Callable[[], None],
    constrain: Callable[[np.ndarray, int], Groups],
    positions: Float[np.ndarray, "n d"],
    seed: int,
) -> Groups:
    """``Target.constrain`` with checks of the deadline between its parts."""
    with checked_by(check):
        return constrain(positions, seed)
