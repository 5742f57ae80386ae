"""Why a fit ended, in one word and in one sentence."""

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass

from isogmm.errors import DeadlineReachedError
from isogmm.model.fit_target import FitTarget


class StopReason(enum.Enum):
    """Why a fit ended; the value is what the result stores."""

    CONVERGED = "converged"
    MAX_ITERATIONS = "max_iterations"
    MAX_SECONDS = "max_seconds"
    INTERRUPTED = "interrupted"
    NON_FINITE = "non_finite"

    @property
    def event(self) -> str:
        """What happened, without the remedy: the sentence up to its semicolon."""
        return self.sentence.rstrip(".").partition(";")[0]

    @property
    def sentence(self) -> str:
        """The reason in words, with what to do about it."""
        return _SENTENCES[self]


_SENTENCES = {
    StopReason.CONVERGED: "The ELBO no longer improved by more than its noise.",
    StopReason.MAX_ITERATIONS: (
        "The budget of iterations ran out while the ELBO was still improving; "
        "raise max_iterations or continue with resume=idata."
    ),
    StopReason.MAX_SECONDS: (
        "The time limit was reached before the fit was done; continue with resume=idata."
    ),
    StopReason.INTERRUPTED: "The fit was interrupted; continue with resume=idata.",
    StopReason.NON_FINITE: (
        "The log density was not finite at any sample of some component; the last good "
        "mixture was kept. Check the model for parameters outside their support."
    ),
}


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
    reason and states what is delivered instead.  The time limit holds once: what follows, the
    least that a user needs, runs without it.

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
