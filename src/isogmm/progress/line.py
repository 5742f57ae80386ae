"""A line of text that is changed in place, on a terminal or below the cell of a notebook."""

import importlib
import sys
from types import ModuleType
from typing import Protocol, runtime_checkable

#: The last content of the line in a notebook.  An output that is removed leaves its frame on the
#: page, which dark pages may show in white; the rules hide the frame.
HIDDEN = (
    '<span class="isogmm-progress"></span><style>:is(.jp-OutputArea-child,.output_area,'
    ".cell_output .output,.output):has(> .isogmm-progress,> * > .isogmm-progress)"
    "{display:none!important}</style>"
)


@runtime_checkable
class Line(Protocol):
    """A line of text."""

    def start(self, text: str) -> None:
        """Show the line."""

    def update(self, text: str) -> None:
        """Change its text."""

    def stop(self) -> None:
        """Remove it."""


def _display() -> ModuleType:
    # Present in every notebook kernel, and not needed elsewhere.
    return importlib.import_module("IPython.display")


class NotebookLine:
    """A line below the cell; no widgets needed."""

    def start(self, text: str) -> None:
        """Show the line."""
        self._handle = _display().display(_display().Pretty(text), display_id=True)

    def update(self, text: str) -> None:
        """Change its text."""
        self._handle.update(_display().Pretty(text))

    def stop(self) -> None:
        """Remove the line and the frame of its output."""
        self._handle.update(_Removed())


class _Removed:
    """An output without text that hides its own frame."""

    def __repr__(self) -> str:
        return ""

    def _repr_html_(self) -> str:
        return HIDDEN


class TerminalLine:
    """A line on the standard error stream, with a spinner."""

    def start(self, text: str) -> None:
        """Show the line."""
        from rich.console import Console  # only where a line is shown: its import is slow

        self._status = Console(stderr=True).status(_escaped(text))
        self._status.start()

    def update(self, text: str) -> None:
        """Change its text."""
        self._status.update(_escaped(text))

    def stop(self) -> None:
        """Remove the line."""
        self._status.stop()


def _escaped(text: str) -> str:
    """The text without the markup of rich."""
    from rich.markup import escape

    return escape(text)


def find_line() -> Line | None:
    """The line of a notebook or of a terminal; None where the output is not interactive."""
    if "ipykernel" in sys.modules:
        return NotebookLine()
    return TerminalLine() if sys.stderr.isatty() else None
