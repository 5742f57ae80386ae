"""NUTS from a fit in each language: starts and mass matrix reach the right coordinates."""

import functools

import numpy as np
import pytest

import isogmm
from isogmm.errors import FitWarning
from isogmm.inference_data import attributes, get_group, group_names
from isogmm.model.adapter import installed_adapters

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

#: Names out of alphabetical order, scales from 0.02 to 300, strong correlation: a start or a
#: covariance in the wrong coordinates would show.
SCALES = np.array([0.02, 1.0, 300.0])
#: A mean of one row would be 100 or more away, which is more than the posterior sd.
DATA = np.array([-90.0, 120.0])


def numpyro_model():
    """Also all rows of a plate that would draw some, and directions on the sphere."""
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    big = numpyro.sample("zebra", dist.Normal(0, 300.0))
    numpyro.sample("apple", dist.Normal(big / 300.0, 0.3))
    with numpyro.plate("rows", 2):
        numpyro.sample("small", dist.LogNormal(0, 0.02))
    numpyro.sample("direction", dist.ProjectedNormal(np.array([1.0, 2.0])))
    with numpyro.plate("data", 2, subsample_size=1) as index:
        numpyro.sample("y", dist.Normal(big, 100.0), obs=jnp.asarray(DATA)[index])


def pymc_model():
    import pymc as pm

    with pm.Model(coords={"rows": [0, 1]}) as model:
        big = pm.Normal("zebra", 0, 300.0)
        pm.Normal("apple", big / 300.0, 0.3)
        pm.LogNormal("small", 0, 0.02, dims="rows")
        pm.Normal("y", big, 100.0, observed=DATA)
    return model


LANGUAGES = [
    # Tracing and compiling NumPyro's NUTS takes 13 seconds.
    pytest.param("numpyro", marks=[pytest.mark.numpyro, pytest.mark.long]),
    pytest.param("pymc", marks=pytest.mark.pymc),
]


@functools.cache
def fit(language):
    """A model and its fit."""
    model = numpyro_model if language == "numpyro" else pymc_model()
    return model, isogmm.fit_isogmm(
        model, random_seed=1, draws=300, chains=2, num_components=4, refine=2, progressbar=False
    )


@pytest.fixture(scope="module", params=LANGUAGES)
def fitted(request):
    pytest.importorskip(request.param)
    return request.param, *fit(request.param)


@pytest.fixture(scope="module")
def sampled(fitted):
    """The result of NUTS, and the starts and the covariance that the adapter received."""
    language, model, idata = fitted
    seen = {}
    adapter = installed_adapters()[language]
    own = adapter.baselines()["nuts_from"]

    def spy(*args, **kwargs):
        seen.update(kwargs)
        return own(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(adapter), "baselines", lambda self: {"nuts_from": spy})
        result = isogmm.nuts_from(idata, model, draws=150, chains=2, tune=40, random_seed=2)
    return result, seen


def test_nuts_from_uses_the_fit(fitted, sampled):
    language, (result, _) = fitted[0], sampled
    found = attributes(result)
    assert found["inference_library"] == language
    posterior = get_group(result, "posterior")
    variance = 1 / (1 / 300.0**2 + 2 / 100.0**2)
    mean, sd = variance * DATA.sum() / 100.0**2, np.sqrt(variance)
    # Five standard errors of 100 independent draws.
    zebra, apple = posterior["zebra"].to_numpy(), posterior["apple"].to_numpy()
    assert abs(zebra.mean() - mean) < 5 * sd / 10
    assert abs(np.log(zebra.std() / sd)) < 5 / np.sqrt(200)
    assert abs(np.mean(apple - zebra / 300.0)) < 5 * 0.3 / 10
    assert posterior["small"].shape == (2, 150, 2)
    assert abs(np.log(posterior["small"].to_numpy()).std() / 0.02 - 1) < 5 / np.sqrt(400)
    # With the right mass matrix a step of order one serves all scales: short trajectories. One
    # in wrong coordinates needs thousands of steps, or stays where it is.
    steps = get_group(result, "sample_stats")["n_steps"].to_numpy()
    assert steps.mean() <= 8
    assert found["num_gradient_evaluations"] == found["num_warmup_gradient_evaluations"] + int(
        steps.sum()
    )
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data"} <= set(
        group_names(result)
    )
    if language == "numpyro":
        norms = np.linalg.norm(posterior["direction"].to_numpy(), axis=-1)
        np.testing.assert_allclose(norms, 1.0)


def test_starts_are_draws_of_the_fit(fitted, sampled):
    (language, _, idata), (_, seen) = fitted, sampled
    dim = 6 if language == "numpyro" else 4
    assert seen["starts"].shape == (2, dim)
    assert seen["covariance"].shape == (dim, dim)
    kept = get_group(idata, "posterior")["zebra"].to_numpy().ravel()
    assert all(np.isclose(kept, start[0], rtol=1e-6).any() for start in seen["starts"])


@pytest.mark.long  # fast: samplers/test_nuts_and_smc_from.py
@pytest.mark.numpyro
def test_smc_from_a_numpyro_fit_gives_the_evidence():
    pytest.importorskip("blackjax")
    pytest.importorskip("numpyro")
    model, idata = fit("numpyro")
    result = isogmm.smc_from(idata, model, draws=400, chains=3, random_seed=5)
    found = attributes(result)
    # The marginal of y: a Gaussian with a shared mean.
    cov = 300.0**2 + 100.0**2 * np.eye(2)
    exact = -0.5 * (DATA @ np.linalg.solve(cov, DATA) + np.linalg.slogdet(2 * np.pi * cov)[1])
    assert abs(found["log_evidence"] - exact) < 5 * max(found["log_evidence_se"], 0.02)
    assert get_group(result, "posterior")["small"].shape == (3, 400, 2)


@pytest.mark.long  # fast: [pymc] above, and the transforms in test_pymc_models.py
@pytest.mark.pymc
@pytest.mark.filterwarnings("ignore:.*wrong constant in PyMC:isogmm.errors.FitWarning")
def test_nuts_from_samples_the_model_that_was_fitted_in_pymc():
    """All data that minibatches are drawn from; transforms that want tensors."""
    pm = pytest.importorskip("pymc")
    y = np.random.default_rng(0).normal(1.0, 1.0, size=100)
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 10)
        pm.ZeroSumNormal("effect", 1.0, shape=3)
        pm.LKJCholeskyCov("chol", n=2, eta=2.0, sd_dist=pm.LogNormal.dist(0.0, 0.2))
        pm.Normal("y", mu, 1.0, observed=pm.Minibatch(y, batch_size=5), total_size=100)
    with pytest.warns(FitWarning, match="Minibatch"):
        idata = isogmm.fit_isogmm(model, random_seed=1, draws=200, chains=2, progressbar=False)
    with pytest.warns(FitWarning, match="Minibatch"):
        result = isogmm.nuts_from(idata, model, draws=60, chains=1, tune=30, random_seed=2)
    posterior = get_group(result, "posterior")
    # Minibatches gave 0.04 and less: every chain followed its own.  Five standard errors of 36
    # independent draws; log(0.1 / 0.04) is 0.92.
    assert abs(np.log(posterior["mu"].values.std() / 0.1)) < 5 / np.sqrt(72)
    assert abs(posterior["mu"].values.mean() - y.mean()) < 5 * 0.1 / np.sqrt(36) + 0.01
    np.testing.assert_allclose(posterior["effect"].values.sum(axis=-1), 0.0, atol=1e-6)


@pytest.mark.long
@pytest.mark.pymc
def test_log_densities_of_whole_vectors_have_no_labels():
    """All samplers and baselines of the density ended in an error, after all their work."""
    pm = pytest.importorskip("pymc")
    neighbors = np.eye(4)[[1, 0, 3, 2]] + np.eye(4)[[2, 3, 0, 1]]
    with pm.Model(coords={"area": list("abcd")}) as model:
        effect = pm.CAR("effect", mu=np.zeros(4), W=neighbors, alpha=0.5, tau=2.0, dims="area")
        pm.Normal("y", effect, 1.0, observed=np.arange(4.0), dims="area")
    result = isogmm.baselines.laplace(model, draws=20, chains=1, random_seed=0)
    assert get_group(result, "posterior")["effect"].dims == ("chain", "draw", "area")
    assert get_group(result, "log_prior")["effect"].sizes["draw"] == 20
    assert "area" not in get_group(result, "log_prior")["effect"].dims


@pytest.mark.long
@pytest.mark.bambi
@pytest.mark.slow
# Bambi's formulas and PyMC below it use what pandas and others have deprecated.
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*backward compatibility:Warning")
@pytest.mark.filterwarnings("ignore::isogmm.errors.FitWarning")  # a fit without chains
def test_nuts_from_a_bambi_fit_speaks_bambi():
    bambi = pytest.importorskip("bambi")
    import pandas as pd

    rng = np.random.default_rng(0)
    x = rng.normal(5.0, 1.0, size=40)
    group = np.repeat(list("abcd"), 10)
    frame = pd.DataFrame({"x": x, "group": group, "y": 1.0 + 0.5 * x + rng.normal(size=40)})
    model = bambi.Model("y ~ x + (1|group)", frame)
    idata = isogmm.fit_isogmm(
        model, random_seed=6, draws=300, chains=2, num_components=4, refine=0, progressbar=False
    )
    result = isogmm.nuts_from(idata, model, draws=20, chains=1, tune=15, random_seed=7)
    before, after = get_group(idata, "posterior"), get_group(result, "posterior")
    assert set(before.data_vars) == set(after.data_vars)
    # The intercept is that of the covariates as they are, in both: five standard errors of ten
    # independent draws.  That of centered covariates is three standard deviations away.
    for name in ("Intercept", "x"):
        difference = float(after[name].mean() - before[name].mean())
        assert abs(difference) < 5 * float(before[name].std()) / np.sqrt(10)
