"""An exception after the mixture is fitted ends a stage of the fit, not the fit."""

import json

import numpy as np
import pytest

import isogmm
from isogmm.recipe.judgment import summarize as module

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

DIM = 3
QUICK = {"random_seed": 0, "draws": 200, "chains": 2, "progressbar": False}


class Failing:
    """A funnel, whose fits need HMC chains; evaluations after ``limit`` points raise."""

    def __init__(self, limit=np.inf):
        self.limit, self.points = limit, 0

    def __call__(self, x):
        self.points += len(x)
        if self.points > self.limit:
            raise OSError("the data file is gone")
        first, rest = x[:, 0], x[:, 1:]
        scale, squared = np.exp(-2 * first), (rest**2).sum(axis=1)
        value = -(first**2) / 18 - 0.5 * scale * squared - (DIM - 1) * first
        slope = -first / 9 + scale * squared - (DIM - 1)
        return value, np.column_stack([slope, -scale[:, None] * rest])


def fit(limit=np.inf):
    model = isogmm.LogDensity(
        None, np.zeros(DIM), value_and_grad=Failing(limit), vectorized=True, names="x"
    )
    return isogmm.fit_isogmm(model, **QUICK)


@pytest.fixture(scope="module")
def counts():
    """Gradients before the stages begin, of a whole fit."""
    stages = json.loads(fit().attrs["stage_gradient_evaluations"])
    assert stages["refine"] > 1000
    return {"mixture": stages["locate"], "refine": sum(stages.values()) - stages["refine"]}


@pytest.mark.parametrize("stage", ["mixture", "refine"])
def test_an_error_of_the_model_leaves_the_draws_of_the_mixture(counts, stage):
    with pytest.warns(isogmm.FitWarning) as caught:
        idata = fit(counts[stage] + 1000)
    assert "OSError: the data file is gone" in str(caught[0].message)
    assert "resume=idata" in str(caught[0].message)
    assert idata.attrs["verdict"] == "unreliable"
    assert np.isfinite(idata["posterior"]["x"]).all()
    assert idata["posterior"].sizes["draw"] == 200


def test_an_error_of_the_search_is_raised():
    with pytest.raises(OSError, match="the data file is gone"):
        fit(50)


@pytest.mark.parametrize("error", [MemoryError("no memory"), ZeroDivisionError("division")])
def test_draws_that_cannot_be_judged_are_returned(monkeypatch, error):
    def fails(*arguments):
        raise error

    monkeypatch.setattr(module, "findings_of", fails)
    model = isogmm.LogDensity(lambda x: -0.5 * x @ x, np.zeros(DIM))
    with pytest.warns(isogmm.FitWarning, match=f"could not be checked.*{type(error).__name__}"):
        idata = isogmm.fit_isogmm(model, **QUICK)
    assert idata.attrs["verdict"] == "unreliable"
    assert idata["posterior"].sizes["draw"] == 200
    assert "could not be checked" in str(isogmm.report(idata))
