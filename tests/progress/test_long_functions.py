"""Every long function shows a line, unless it is switched off.

The lines of ``nuts_from`` and ``smc_from`` are tested in samplers/test_nuts_and_smc_from.py.
"""

import inspect
import re

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.notebook import notebook_line
from isogmm import baselines

pytestmark = [pytest.mark.usefixtures("unchecked", "short_search"), pytest.mark.weak_dtypes]

FUNCTIONS = [
    isogmm.fit_isogmm,
    isogmm.fit_gmmvi,
    isogmm.fit_factorized,
    isogmm.empirical_bayes,
    isogmm.nuts_from,
    isogmm.smc_from,
    *(getattr(baselines, name) for name in baselines.__all__),
]
SHAPE = {"draws": 50, "chains": 2, "random_seed": 0}


@pytest.fixture
def shown(monkeypatch):
    """The texts of the line in a notebook."""
    return notebook_line(monkeypatch)


@pytest.fixture(scope="module")
def model():
    # Two modes of equal mass.
    return isogmm.LogDensity(
        lambda x: jnp.logaddexp(-0.5 * ((x - 4) ** 2).sum(), -0.5 * ((x + 4) ** 2).sum()),
        np.zeros(1),
    )


@pytest.fixture(scope="module")
def idata(model):
    return isogmm.fit_isogmm(model, **SHAPE, refine=0, progressbar=False)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_option_is_the_same_everywhere(function):
    assert inspect.signature(function).parameters["progressbar"].default is True


def test_a_baseline_names_its_method(shown, model):
    baselines.laplace(model, **SHAPE)
    assert re.fullmatch(r"isogmm: running laplace, \d+ s", shown[0])
    assert len(shown) == 2  # the line, and its end


@pytest.mark.long
def test_nothing_is_shown_where_it_is_switched_off(shown, model, idata):
    pytest.importorskip("blackjax")
    baselines.laplace(model, **SHAPE, progressbar=False)
    isogmm.smc_from(idata, model, **SHAPE, num_moves=1, progressbar=False)
    assert shown == []


@pytest.mark.long
@pytest.mark.numpyro
def test_empirical_bayes_shows_its_rounds_and_then_the_fit(shown):
    import numpyro
    import numpyro.distributions as dist

    def model(y):
        tau = numpyro.param("tau", 1.0, constraint=dist.constraints.positive)
        x = numpyro.sample("x", dist.Normal(0.0, tau))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=y)

    y = np.array([2.0, 2.5])
    isogmm.empirical_bayes(model, y, random_seed=0, max_rounds=2, tolerance=10.0)
    begin = next(i for i, text in enumerate(shown[:-1]) if "round 1 of at most 2" in str(text))
    assert any("checking the draws" in str(text) for text in shown[begin:-1])
