"""``report``: whether a fit worked, and what to do next."""

import io
import sys

from rich.console import Console, Group

from isogmm.results.groups import Result
from isogmm.views.report import html, text
from isogmm.views.report.gather import gather

#: Columns of the plain text.
WIDTH = 96


class Report:
    """A report that shows itself as text at a prompt and as HTML in a notebook.

    ``str(report)`` is plain text.  ``rich.print(report)`` and the prompt of a terminal show it in
    color.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``.

    Raises
    ------
    OptionError
        If ``idata`` is not such a result.
    """

    def __init__(self, idata: Result) -> None:
        self.facts = gather(idata)

    @property
    def verdict(self) -> str:
        """``good``, ``reweighted``, ``refined`` or ``unreliable``."""
        return self.facts.verdict

    @property
    def advice(self) -> str:
        """What to do next, in words."""
        return self.facts.advice

    def __rich__(self) -> Group:
        return text.render(self.facts)

    def __str__(self) -> str:
        return self._text(is_terminal=False)

    def __repr__(self) -> str:
        return self._text(is_terminal=_is_terminal())

    def _repr_html_(self) -> str:
        return html.render(self.facts)

    def _text(self, *, is_terminal: bool) -> str:
        stream = io.StringIO()
        # In a notebook, rich would write to the output of the cell and ignore ``file``.
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


def _is_terminal() -> bool:
    """Whether the standard output is a terminal; a replaced ``sys.stdout`` may not know."""
    return bool(getattr(sys.stdout, "isatty", bool)())


def report(idata: Result) -> Report:
    """Report whether a fit worked, and what to do next.

    The report shows the verdict and the advice, the modes with their masses, the variables whose
    draws differ most from the mixture, why the fit stopped, the ELBO trace, and the cost of every
    stage.

    Parameters
    ----------
    idata
        A result of ``fit_isogmm``, new or read from a file.  The model and its data are not
        needed.

    Returns
    -------
    Report
        An object that shows itself at a prompt and in a notebook.  Elsewhere use
        ``print(report(idata))``.

    Raises
    ------
    OptionError
        If the result does not come from ``fit_isogmm``.
    """
    return Report(idata)
