"""Stages of a fit that Ctrl-C, the time limit or a lack of memory can end."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from isogmm.errors import DeadlineReachedError, FitWarning, IsogmmError, in_words, warn_user
from isogmm.model.fit_target import FitTarget
from isogmm.model.interrupts import interrupt_is_handled, interrupt_is_pending, stage_of_fit
from isogmm.results.stop_reason import StopReason


@dataclass
class Interruption:
    """Whether a stage was interrupted, and by what.

    Parameters
    ----------
    reason
        ``INTERRUPTED`` (Ctrl-C), ``MAX_SECONDS`` (the time limit), ``ERROR`` (also a lack of
        memory), or None where the stage ended by itself.
    """

    reason: StopReason | None = None


@contextlib.contextmanager
def interruptible(target: FitTarget, *, has_result: bool = False) -> Iterator[Interruption]:
    """Run a stage of a fit; Ctrl-C, the time limit or a lack of memory ends the stage, not the fit.

    The only place of the library that handles interrupts.  The code after the block reads the
    reason and states what is delivered instead.  The time limit is removed after an interruption,
    so that the remaining stages can finish.  JAX turns a KeyboardInterrupt inside a callback into
    an exception of its own; while an interrupt is pending, every exception counts as one.

    Parameters
    ----------
    target
        The target, whose time limit is removed.
    has_result
        Whether the fit has a mixture already.  Any other exception then ends the stage too: a
        function of the user can fail after an hour, for instance because a file is gone.

    Raises
    ------
    IsogmmError
        Errors that name their remedy are not caught, nor are warnings that the user made errors.

    Warns
    -----
    FitWarning
        If the memory is not sufficient for the stage, or an exception ended it.

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
        with stage_of_fit():
            yield interruption
    except KeyboardInterrupt as stop:
        interrupt_is_handled()
        target.deadline = None
        is_deadline = isinstance(stop, DeadlineReachedError)
        interruption.reason = StopReason.MAX_SECONDS if is_deadline else StopReason.INTERRUPTED
    except Exception as error:
        reason = StopReason.ERROR
        if interrupt_is_pending():
            interrupt_is_handled()
            reason = StopReason.INTERRUPTED
        elif is_lack_of_memory(error):
            warn_of_memory(error)
        elif has_result and not isinstance(error, IsogmmError | FitWarning):
            warn_user(
                f"isogmm: a stage of the fit failed: {in_words(error)}. The stage ends there, and "
                "the fit returns what it has so far. Correct the cause, and continue with "
                "isogmm.fit_isogmm(model, resume=idata)."
            )
        else:
            raise
        target.deadline = None
        interruption.reason = reason


def is_lack_of_memory(error: Exception) -> bool:
    """Whether an exception of Python or of JAX says that the memory is not sufficient."""
    is_from_jax = isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return isinstance(error, MemoryError) or is_from_jax


def warn_of_memory(error: Exception) -> None:
    """Say that a stage ended because the memory was not sufficient."""
    cause = f": {error}" if str(error) else ""
    warn_user(
        f"isogmm: the memory was not sufficient ({type(error).__name__}{cause}). The stage ends "
        "there, and the fit returns what it has so far. Pass fewer draws, chains or components "
        "(draws=, chains=, num_components=), or use a machine with more memory."
    )
