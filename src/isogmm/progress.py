"""A progress line with the ELBO, on terminals and in notebooks only, once per window."""

import sys
from types import TracebackType
from typing import Any

from isogmm.checks import Check


def _is_shown() -> bool:
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Progress:
    """A status line while a fit runs; silent where nobody could watch it.

    Parameters
    ----------
    enabled
        False switches it off everywhere.
    """

    def __init__(self, enabled: bool) -> None:
        self._status: Any = None
        self._enabled = enabled and _is_shown()

    def __enter__(self) -> "Progress":
        if self._enabled:
            from rich.console import Console

            self._status = Console(stderr=True).status("isogmm: locating the posterior")
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
