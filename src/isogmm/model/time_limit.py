"""The time limit of a fit, which long evaluations of its model check between their parts."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

#: Seconds that a stage may take after the limit, if the result needs it: this share of the limit,
#: but at least ``MIN_GRACE_SECONDS``.  There are three such stages: a path of the search if there
#: is none, the pool of draws, and the draws on the scale of the model.  With ``max_seconds=3``
#: fits of functions of 1 to 50 ms per gradient end within 4.5 seconds.
GRACE_SHARE, MIN_GRACE_SECONDS = 0.1, 0.35

#: Raises where the limit of the running evaluation has passed; None without a limit.
_CHECK: ContextVar[Callable[[], None] | None] = ContextVar("check", default=None)


@dataclass
class TimeLimit:
    """The time limit of one fit.

    Parameters
    ----------
    max_seconds
        Length of the limit, which begins when the object is made; None for no limit.

    Attributes
    ----------
    deadline
        Time of ``time.perf_counter`` after which evaluations end; None for no limit.
    """

    max_seconds: float | None = None
    deadline: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.max_seconds is not None:
            self.deadline = time.perf_counter() + self.max_seconds

    @property
    def grace(self) -> float | None:
        """Seconds that a necessary stage may take after the limit; None without a limit."""
        if self.max_seconds is None:
            return None
        return max(GRACE_SHARE * self.max_seconds, MIN_GRACE_SECONDS)

    @contextlib.contextmanager
    def extended(self) -> Iterator[None]:
        """Run a necessary stage, which may take the rest of the limit and the grace period."""
        before, grace = self.deadline, self.grace
        if grace is not None:
            now = time.perf_counter()
            self.deadline = max(now, now if before is None else before) + grace
        try:
            yield
        finally:
            self.deadline = before


@contextlib.contextmanager
def checked_by(check: Callable[[], None]) -> Iterator[None]:
    """Run an evaluation whose parts call ``check`` by :func:`check_time`."""
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


def check_time() -> None:
    """Raise an error if the time limit of the running fit has passed.

    Code that evaluates a model in parts calls this function between two parts.
    """
    check = _CHECK.get()
    if check is not None:
        check()
