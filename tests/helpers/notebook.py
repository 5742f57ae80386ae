"""The progress line of a notebook, as the texts that it shows."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from isogmm.progress import progress


def notebook_line(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend to run in a notebook; the list receives every text in order.

    Only the function itself changes the line, so that the texts do not depend on the time.
    """
    texts: list[str] = []
    handle = SimpleNamespace(update=texts.append)
    display = ModuleType("IPython.display")
    display.display = lambda text, display_id: texts.append(text) or handle
    display.Pretty = str
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    monkeypatch.setattr(progress, "INTERVAL", 1e9)
    return texts
