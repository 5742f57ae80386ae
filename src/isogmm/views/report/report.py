"""``report``: did it work, and what to do next."""

import io
import sys
from typing import Any

from isogmm.views.report import facts, html, text

#: Columns of the plain text.
WIDTH = 96


class Report:
    """A report that shows itself: as text at a prompt, as HTML in a notebook.

    ``str(report)`` is plain text; ``rich.print(report)`` and a prompt in a terminal show it in
    color.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.

    Raises
    ------
    OptionError
        If it is not.
    """

    def __init__(self, idata: Any) -> None:
        self.facts = facts.gather(idata)

    @property
    def verdict(self) -> str:
        """``good``, ``reweighted``, ``refined`` or ``unreliable``."""
        return self.facts.verdict

    @property
    def advice(self) -> str:
        """What to do next, in words."""
        return self.facts.advice

    def __rich__(self) -> Any:
        return text.render(self.facts)

    def __str__(self) -> str:
        return self._text(is_terminal=False)

    def __repr__(self) -> str:
        return self._text(is_terminal=bool(getattr(sys.stdout, "isatty", bool)()))

    def _repr_html_(self) -> str:
        return html.render(self.facts)

    def _text(self, *, is_terminal: bool) -> str:
        from rich.console import Console

        stream = io.StringIO()
        # In a notebook rich would write to the cell, whatever the file is.
        console = Console(
            file=stream,
            width=WIDTH,
            force_terminal=is_terminal,
            force_jupyter=False,
            legacy_windows=False,
        )
        if is_terminal:
            console.width = min(WIDTH, Console().width)
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        is_unicode = encoding.lower().replace("-", "").startswith("utf")
        console.print(text.render(self.facts, unicode=is_unicode))
        lines = (line.rstrip() for line in stream.getvalue().splitlines())
        found = "\n".join(lines).rstrip()
        return found if is_unicode else found.encode(encoding, "replace").decode(encoding)


def report(idata: Any) -> Report:
    """Whether a fit worked and what to do next.

    Verdict and advice, modes with their masses, the variables whose draws moved most away from
    the mixture, why the fit stopped, the ELBO trace, and the cost of every stage.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``, fresh or read from a file; neither the model nor its data are
        needed.

    Returns
    -------
    Report
        Shows itself at a prompt and in a notebook; ``print(report(idata))`` elsewhere.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``.
    """
    return Report(idata)
