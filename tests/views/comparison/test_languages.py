"""Fits beside the languages' own samplers: the table, the plots and the report on real results."""

import numpy as np
import pytest
from matplotlib.patches import Ellipse

import isogmm

pytestmark = [
    pytest.mark.usefixtures("unchecked", "short_search"),
    pytest.mark.slow,
    # NumPyro, PyMC and ArviZ warn about their own future.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

DATA = np.random.default_rng(0).normal(1.0, 2.0, size=30)
LABELS = ["first", "second"]


def numpyro_model(data):
    import numpyro
    from numpyro import distributions as dist

    mu = numpyro.sample("mu", dist.Normal(0, 5))
    sigma = numpyro.sample("sigma", dist.HalfNormal(5))
    numpyro.sample("p", dist.Beta(2, 3))
    with numpyro.plate("group", 2):
        numpyro.sample("effect", dist.Normal(0, 1))
    with numpyro.plate("row", len(data)):
        numpyro.sample("y", dist.Normal(mu, sigma), obs=data)


def numpyro_results():
    fit = isogmm.fit_isogmm(numpyro_model, DATA, random_seed=1, progressbar=False)
    return fit, isogmm.baselines.nuts(numpyro_model, DATA, random_seed=2, draws=500)


def pymc_results():
    import pymc as pm

    with pm.Model(coords={"group": LABELS}) as model:
        mu = pm.Normal("mu", 0, 5)
        sigma = pm.HalfNormal("sigma", 5)
        pm.Beta("p", 2, 3)
        pm.Normal("effect", 0, 1, dims="group")
        pm.Normal("y", mu, sigma, observed=DATA)
        fit = isogmm.fit_isogmm(model, random_seed=1, progressbar=False)
        # PyMC's own sampler.  Without a mass matrix it needs four times as many gradients.
        nuts = isogmm.nuts_from(
            fit, model, draws=100, chains=2, tune=30, random_seed=2, progressbar=False
        )
    return fit, nuts


@pytest.mark.long  # fast: test_compare.py
@pytest.mark.parametrize(
    "results",
    [
        # The quickstart notebook for NumPyro has the same table.
        pytest.param(numpyro_results, marks=pytest.mark.numpyro, id="numpyro"),
        pytest.param(pymc_results, marks=pytest.mark.pymc, id="pymc"),
    ],
)
def test_a_fit_beside_the_sampler_of_its_language(results):
    fit, nuts = results()
    both = {"isogmm": fit, "nuts": nuts}
    table = isogmm.compare(both, reference="nuts")
    row = table.loc["isogmm"]
    # Five scalars of a regular posterior: twice the floor is far beyond chance.
    for name in ("mean_rms", "log_sd_rms", "quantile_rms", "sliced_w2"):
        assert 0 < row[name] < 2.5 * row[f"{name}_floor"], name
    assert np.isfinite(row[["log_evidence", "elpd_loo", "seconds", "gradient_evaluations"]]).all()
    rows = isogmm.compare(both, reference="nuts", per_variable=True).loc["isogmm"]
    assert {"mu", "sigma", "p"} < set(rows.index)
    assert len(rows) == 5
    # The scales of sigma and p, a log and a logit, are read off the fit.
    (axis,) = isogmm.plot_compare_pairs(both, "nuts", ["sigma", "p"])
    assert axis.get_xlabel() == "sigma (unconstrained)"
    assert any(isinstance(patch, Ellipse) for patch in axis.patches)
    assert len(isogmm.plot_compare_marginals(both, "nuts")) == 5
    assert len(isogmm.plot_elbo(fit).lines) >= 4
    assert len(isogmm.plot_modes(fit)) == 1  # one mode
    report = isogmm.report(fit)
    assert report.verdict in str(report)
    assert report.verdict in report._repr_html_()
