"""The line that is shown while a fit runs."""

import inspect
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

import isogmm
from helpers.notebook import notebook_line
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.optimize.check import Check
from isogmm.progress.progress import Progress
from isogmm.recipe.families.isotropic.family import Isotropic
from isogmm.recipe.progress import FitProgress
from isogmm.results.labeling.labels import Stage

pytestmark = pytest.mark.usefixtures("unchecked")

DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(isogmm.fit_isogmm).parameters.items()
}


@pytest.fixture
def shown(monkeypatch):
    """The texts of the line in a notebook."""
    return notebook_line(monkeypatch)


def fit_progress(line, **options):
    return FitProgress(line, Isotropic.of(DEFAULTS | options).options)


def check(iteration=75, *, in_tail=False):
    return Check(
        iteration=iteration,
        elbo=np.array([-3.0, -2.5]),
        elbo_se=np.array([0.1, 0.2]),
        step_size=0.25,
        gradient_evaluations=9600,
        seconds=1.0,
        nonfinite=np.zeros(2, dtype=int),
        mixture=IsotropicMixture(np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros((2, 1))),
        in_tail=in_tail,
    )


def test_the_line_names_the_stage_the_share_of_the_budget_and_the_time():
    progress = fit_progress(Progress(False, "x"), max_iterations=300)
    progress.begin(Stage.MIXTURE)
    progress.update(check())
    text, _, seconds = progress.progress.text().rpartition(", ")
    assert text == (
        "isogmm: optimizing the mixture, iteration 75, ELBO -2.50 ± 0.20, 9,600 gradients, "
        "25 % of max_iterations"
    )
    assert re.fullmatch(r"\d+ s", seconds)
    progress.update(check(in_tail=True))
    assert "averaging, iteration 75" in progress.progress.text()


def test_the_largest_share_of_several_budgets_counts(monkeypatch):
    progress = fit_progress(Progress(False, "x"), max_seconds=60.0, max_iterations=10_000)
    clock = iter([100.0, 130.0, 130.0])
    # The clock of this module alone: other threads of the process have a clock, too.
    replaced = SimpleNamespace(perf_counter=lambda: next(clock))
    monkeypatch.setattr("isogmm.recipe.progress.time", replaced)
    progress.begin(Stage.MIXTURE)
    progress.update(check())
    assert "50 % of max_seconds" in progress.details()
    assert "max_iterations" not in progress.details()


def test_the_refinement_shows_its_share_of_the_gradients():
    progress = fit_progress(Progress(False, "x"), refine=isogmm.Refine(max_gradients=1000))
    counter = SimpleNamespace(num_gradient_evaluations=500)
    progress.costs.count_with(counter)
    progress.costs.begin(Stage.REFINE)
    counter.num_gradient_evaluations += 840
    assert progress.details() == "840 gradients, 84 % of max_gradients"
    counter.num_gradient_evaluations += 840  # a recording may take twice the budget
    assert "100 % of max_gradients" in progress.details()


def test_all_stages_are_shown_in_a_notebook_and_nothing_is_left(shown):
    model = isogmm.LogDensity(lambda x: -0.5 * (x**2).sum() - 0.1 * (x**4).sum(), np.zeros(2))
    idata = isogmm.fit_isogmm(model, random_seed=0, draws=100, chains=2, importance=False)
    for stage in json.loads(idata.attrs["stage_seconds"]):
        assert any(Stage(stage).description in text for text in shown[:-1]), stage
    assert all(text.startswith("isogmm: ") and text.endswith(" s") for text in shown[:-1])
    # An empty output keeps its frame, which dark pages show in white.
    assert "display:none" in shown[-1]._repr_html_()
    assert repr(shown[-1]) == ""


def test_chains_that_are_fitted_in_turn_are_counted(shown):
    model = isogmm.LogDensity(lambda x: -0.5 * (x**2).sum(), np.zeros(3))
    isogmm.fit_factorized(
        model,
        random_seed=0,
        chains=2,
        max_iterations=50,
        method=isogmm.updates.BuresWasserstein(0.1),
    )
    assert any("optimizing the mixture, chain 2 of 2" in text for text in shown[:-1])


def test_nothing_is_shown_where_it_is_switched_off(shown):
    model = isogmm.LogDensity(lambda x: -0.5 * (x**2).sum(), np.zeros(2))
    isogmm.fit_isogmm(model, random_seed=0, draws=50, chains=2, progressbar=False)
    assert shown == []
