"""Stages of a fit that Ctrl-C or the time limit can end."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from isogmm.errors import DeadlineReachedError
from isogmm.model.fit_target import FitTarget
from isogmm.results.stop_reason import StopReason


@dataclass
class Interruption:
    """Whether a stage was interrupted, and by what.

    Parameters
    ----------
    reason
        ``INTERRUPTED`` (Ctrl-C), ``MAX_SECONDS`` (the time limit), or None where the stage ended
        by itself.
    """

    reason: StopReason | None = None


@contextlib.contextmanager
def interruptible(target: FitTarget) -> Iterator[Interruption]:
    """Run a stage of a fit; Ctrl-C or the time limit ends the stage, not the fit.

    The only place of the library that handles interrupts.  The code after the block reads the
    reason and states what is delivered instead.  The time limit is removed after an interruption,
    so that the remaining stages can finish.

    Examples
    --------
    >>> from isogmm.model.fit_target import FitTarget
    >>> def longest(target: FitTarget) -> str:
    ...     result = "the result so far"
    ...     with interruptible(target) as interruption:
    ...         raise KeyboardInterrupt
    ...     return result if interruption.reason is StopReason.INTERRUPTED else "the whole result"
    """
    interruption = Interruption()
    try:
        yield interruption
    except KeyboardInterrupt as stop:
        target.deadline = None
        is_deadline = isinstance(stop, DeadlineReachedError)
        interruption.reason = StopReason.MAX_SECONDS if is_deadline else StopReason.INTERRUPTED
