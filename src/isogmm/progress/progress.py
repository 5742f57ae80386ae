"""A progress line with the stage, the share of the budget if it is known, and the elapsed time."""

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from isogmm.progress.line import Line, find_line

#: Seconds between two updates of the line, which also show the elapsed time.
INTERVAL = 0.5


class Progress:
    """A line that shows what a long function does; nothing where the output is not interactive.

    The line is updated by a thread, so that the elapsed time is shown also while a single program
    compiles or runs.

    Parameters
    ----------
    enabled
        False switches the line off everywhere.
    stage
        The first stage, in words.

    Examples
    --------
    >>> with Progress(False, "running NUTS") as progress:
    ...     progress.show("running NUTS", lambda: "mode 2 of 3")
    ...     text = progress.text()
    >>> text
    'isogmm: running NUTS, mode 2 of 3, 0 s'
    """

    def __init__(self, enabled: bool, stage: str) -> None:
        self._line: Line | None = find_line() if enabled else None
        self._stage, self._details = stage, _nothing
        self._begin = time.perf_counter()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Progress":
        self._begin = time.perf_counter()
        if self._line is not None:
            self._line.start(self.text())
            self._thread = threading.Thread(target=self._tick, args=(self._line,), daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        if self._line is not None and self._thread is not None:
            self._thread.join()
            self._line.stop()

    @property
    def seconds(self) -> float:
        """Seconds since the line was first shown."""
        return time.perf_counter() - self._begin

    def show(self, stage: str, details: Callable[[], str] | None = None) -> None:
        """Change the stage.

        Parameters
        ----------
        stage
            The stage, in words.
        details
            Further words, asked for at every update from another thread.
        """
        self._stage, self._details = stage, details or _nothing
        if self._line is not None and self._thread is not None:
            self._line.update(self.text())

    def text(self) -> str:
        """The text of the line now."""
        parts = (self._stage, self._details(), duration(self.seconds))
        return f"isogmm: {', '.join(filter(None, parts))}"

    def _tick(self, line: Line) -> None:
        """Update the line until the end; a line that cannot be shown never ends a fit."""
        with contextlib.suppress(Exception):
            while not self._ended.wait(INTERVAL):
                line.update(self.text())


def _nothing() -> str:
    return ""


def percent(share: float) -> str:
    """A share of a budget, at most 100 %."""
    return f"{min(share, 1.0):.0%}".replace("%", " %")


def duration(seconds: float) -> str:
    """A duration in whole seconds, or in minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
