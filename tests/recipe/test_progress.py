"""The line that is shown while a fit runs."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np

from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.check import Check
from isogmm.recipe.progress import Progress


def test_progress_in_a_notebook_needs_no_widgets(monkeypatch):
    shown = []
    handle = SimpleNamespace(update=shown.append)
    display = ModuleType("IPython.display")
    display.display = lambda text, display_id: shown.append(text) or handle
    display.Pretty = display.HTML = str
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    with Progress(enabled=True) as progress:
        check = Check(
            iteration=75,
            elbo=np.array([-3.0, -2.5]),
            elbo_se=np.array([0.1, 0.2]),
            step_size=0.25,
            gradient_evaluations=9600,
            seconds=1.0,
            nonfinite=np.zeros(2, dtype=int),
            mixture=IsotropicMixture(np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1))),
            in_tail=False,
        )
        progress.update(check)
    assert shown[0] == "isogmm: locating the posterior"
    assert "iteration 75, ELBO -2.50 ± 0.20, 9,600 gradients" in shown[1]
    assert shown[-1] == ""
    with Progress(enabled=False):
        pass
    assert len(shown) == 3
