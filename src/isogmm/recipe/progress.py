"""A progress line with the ELBO, on terminals and in notebooks only, once per window."""

import importlib
import sys
from types import TracebackType
from typing import Any

from isogmm.optimize.check import Check


class _NotebookLine:
    """A line of text below the cell, which goes when the fit is done; no widgets needed."""

    def __init__(self, text: str) -> None:
        self._text, self._handle = text, None

    def start(self) -> None:
        """Show it."""
        display = importlib.import_module("IPython.display")
        self._handle = display.display(display.Pretty(self._text), display_id=True)

    def update(self, text: str) -> None:
        """Another text in its place."""
        if self._handle is not None:
            self._handle.update(importlib.import_module("IPython.display").Pretty(text))

    def stop(self) -> None:
        """Take it away: as markup, because an empty text still has a box on a page."""
        if self._handle is not None:
            self._handle.update(importlib.import_module("IPython.display").HTML(""))


class Progress:
    """A status line while a fit runs; silent where nobody could watch it.

    Parameters
    ----------
    enabled
        False switches it off everywhere.
    """

    def __init__(self, enabled: bool) -> None:
        self._status: Any = None
        self._enabled = enabled

    def __enter__(self) -> "Progress":
        begin = "isogmm: locating the posterior"
        if self._enabled and "ipykernel" in sys.modules:
            self._status = _NotebookLine(begin)
        elif self._enabled and sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(begin)
        if self._status is not None:
            self._status.start()
        return self

    def update(self, check: Check) -> None:
        """Show the ELBO of a window."""
        if self._status is None:
            return
        best = int(check.elbo.argmax())
        phase = "winding down" if check.in_tail else "fitting the mixture"
        self._status.update(
            f"isogmm: {phase}, iteration {check.iteration}, ELBO {check.elbo[best]:.2f} "
            f"± {check.elbo_se[best]:.2f}, {check.gradient_evaluations:,} gradients"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status is not None:
            self._status.stop()
