"""A progress line with the ELBO, once per window, on terminals and in notebooks only."""

import importlib
import sys
from types import ModuleType, TracebackType
from typing import Protocol

from isogmm.optimize.check import Check


class _Line(Protocol):
    """A line of text that can be shown, changed and removed."""

    def start(self) -> None:
        """Show the line."""

    def update(self, text: str) -> None:
        """Change its text."""

    def stop(self) -> None:
        """Remove it."""


def _display() -> ModuleType:
    # Present in every notebook kernel, and not needed elsewhere.
    return importlib.import_module("IPython.display")


class _NotebookLine:
    """A line of text below the cell, which disappears when the fit ends; no widgets needed."""

    def __init__(self, text: str) -> None:
        self._text = text

    def start(self) -> None:
        """Show the line."""
        self._handle = _display().display(_display().Pretty(self._text), display_id=True)

    def update(self, text: str) -> None:
        """Change its text."""
        self._handle.update(_display().Pretty(text))

    def stop(self) -> None:
        """Remove it: as markup, because an empty text leaves an empty box on the page."""
        self._handle.update(_display().HTML(""))


class Progress:
    """A status line while a fit runs; nothing where the output is not interactive.

    Parameters
    ----------
    enabled
        False switches the line off everywhere.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled
        self._line: _Line | None = None

    def __enter__(self) -> "Progress":
        first = "isogmm: locating the posterior"
        if self._enabled and "ipykernel" in sys.modules:
            self._line = _NotebookLine(first)
        elif self._enabled and sys.stderr.isatty():
            from rich.console import Console  # only where a line is shown: its import is slow

            self._line = Console(stderr=True).status(first)
        if self._line is not None:
            self._line.start()
        return self

    def update(self, check: Check) -> None:
        """Show the ELBO of a window."""
        if self._line is None:
            return
        best = int(check.elbo.argmax())
        phase = "averaging" if check.in_tail else "fitting the mixture"
        self._line.update(
            f"isogmm: {phase}, iteration {check.iteration}, ELBO {check.elbo[best]:.2f} "
            f"± {check.elbo_se[best]:.2f}, {check.gradient_evaluations:,} gradients"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._line is not None:
            self._line.stop()
