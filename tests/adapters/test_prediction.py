"""The languages' own predictions and ArviZ's scores run on a result, and give what is exact.

A regression with known noise: posterior, predictive distribution and leave-one-out densities
have closed forms.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import isogmm
from isogmm.inference_data import get_group, group_names, is_first_generation, load, loo, save

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

_rng = np.random.default_rng(7)
X = np.linspace(-1.0, 2.0, 20)
Y = 0.5 + 1.5 * X + _rng.standard_normal(20)
X_NEW = np.array([-3.0, 0.0, 4.0])
PRIOR_SD = 10.0


def exact(rows=slice(None)):
    """Mean and covariance of (a, b) given some rows."""
    design = np.stack([np.ones_like(X), X], axis=1)[rows]
    covariance = np.linalg.inv(design.T @ design + np.eye(2) / PRIOR_SD**2)
    return covariance @ design.T @ Y[rows], covariance


def exact_elpd_loo():
    total = []
    for row in range(len(X)):
        mean, covariance = exact(np.arange(len(X)) != row)
        point = np.array([1.0, X[row]])
        sd = np.sqrt(1.0 + point @ covariance @ point)
        total.append(stats.norm(point @ mean, sd).logpdf(Y[row]))
    return float(np.sum(total))


def numpyro_model(x, y=None):
    import numpyro
    import numpyro.distributions as dist

    a = numpyro.sample("a", dist.Normal(0, PRIOR_SD))
    b = numpyro.sample("b", dist.Normal(0, PRIOR_SD))
    mu = numpyro.deterministic("mu", a + b * x)
    with numpyro.plate("row", len(x)):
        numpyro.sample("y", dist.Normal(mu, 1.0), obs=y)


def pymc_model():
    import pymc as pm

    with pm.Model(coords={"row": np.arange(len(X))}) as model:
        x = pm.Data("x", X, dims="row")
        a = pm.Normal("a", 0, PRIOR_SD)
        b = pm.Normal("b", 0, PRIOR_SD)
        mu = pm.Deterministic("mu", a + b * x, dims="row")
        pm.Normal("y", mu, 1.0, observed=Y, dims="row")
    return model


def fit(model, *args, **options):
    return isogmm.fit_isogmm(
        model, *args, random_seed=3, draws=500, chains=2, progressbar=False, **options
    )


@pytest.fixture(scope="module")
def numpyro_fit():
    pytest.importorskip("numpyro")
    return fit(numpyro_model, X, Y)


@pytest.fixture(scope="module")
def pymc_fit():
    pytest.importorskip("pymc")
    model = pymc_model()
    return model, fit(model)


def is_predictive(values, x, ess=300):
    """Mean and sd of the draws (s, rows) are those of the exact predictive distribution."""
    mean, covariance = exact()
    points = np.stack([np.ones_like(x), x], axis=1)
    sd = np.sqrt(1.0 + np.einsum("ni,ij,nj->n", points, covariance, points))
    values = np.asarray(values).reshape(-1, len(x))
    np.testing.assert_array_less(np.abs(values.mean(axis=0) - points @ mean), 5 * sd / ess**0.5)
    np.testing.assert_array_less(np.abs(np.log(values.std(axis=0) / sd)), 5 / (2 * ess) ** 0.5)


# --- NumPyro -----------------------------------------------------------------------------------


def latents(idata):
    """Draws of the free variables, as ``numpyro.infer.Predictive`` takes them."""
    return {name: get_group(idata, "posterior")[name].values for name in idata["log_prior"]}


@pytest.mark.long
@pytest.mark.numpyro
def test_numpyro_predictive_for_the_data_and_for_new_arguments(numpyro_fit):
    import jax
    from numpyro.infer import Predictive

    samples = latents(numpyro_fit)
    assert set(samples) == {"a", "b"}
    predictive = Predictive(numpyro_model, samples, batch_ndims=2)
    same = predictive(jax.random.key(0), X)
    assert same["y"].shape == (2, 500, len(X))
    is_predictive(same["y"], X)
    np.testing.assert_allclose(same["mu"], get_group(numpyro_fit, "posterior")["mu"], rtol=1e-5)
    new = predictive(jax.random.key(1), X_NEW)
    assert new["y"].shape == (2, 500, 3)
    is_predictive(new["y"], X_NEW)


@pytest.mark.long
@pytest.mark.numpyro
def test_numpyro_prior_predictive_and_log_likelihood(numpyro_fit):
    import jax
    from numpyro.infer import Predictive, log_likelihood

    prior = Predictive(numpyro_model, num_samples=400)(jax.random.key(2), X)
    sd = np.sqrt(1.0 + PRIOR_SD**2 * (1 + X**2))
    np.testing.assert_array_less(np.abs(np.log(prior["y"].std(axis=0) / sd)), 5 / 800**0.5)
    again = log_likelihood(numpyro_model, latents(numpyro_fit), X, Y, batch_ndims=2)
    ours = get_group(numpyro_fit, "log_likelihood")["y"]
    np.testing.assert_allclose(ours, again["y"], rtol=1e-4, atol=1e-4)


# --- PyMC --------------------------------------------------------------------------------------


@pytest.mark.pymc
def test_pymc_posterior_predictive_extends_the_result(pymc_fit):
    import pymc as pm

    model, idata = pymc_fit
    found = pm.sample_posterior_predictive(idata, model=model, random_seed=1, progressbar=False)
    predicted = get_group(found, "posterior_predictive")["y"]
    assert predicted.dims == ("chain", "draw", "row")
    is_predictive(predicted, X)
    prior = pm.sample_prior_predictive(400, model=model, random_seed=2)
    sd = np.sqrt(1.0 + PRIOR_SD**2 * (1 + X**2))
    spread = get_group(prior, "prior_predictive")["y"].to_numpy().reshape(-1, len(X)).std(axis=0)
    np.testing.assert_array_less(np.abs(np.log(spread / sd)), 5 / 800**0.5)


@pytest.mark.pymc
def test_pymc_predicts_for_new_data(pymc_fit):
    import pymc as pm

    model, idata = pymc_fit
    with model:
        pm.set_data({"x": X_NEW}, coords={"row": ["p", "q", "r"]})
        try:
            found = pm.sample_posterior_predictive(
                idata, var_names=["mu", "y"], predictions=True, random_seed=1, progressbar=False
            )
        finally:
            pm.set_data({"x": X}, coords={"row": np.arange(len(X))})
    predictions = get_group(found, "predictions")
    assert list(predictions["row"].values) == ["p", "q", "r"]
    is_predictive(predictions["y"], X_NEW)
    assert "posterior" in group_names(idata)


# --- scores ------------------------------------------------------------------------------------


def loo_tolerance(idata):
    """Five standard errors of Σ log(1 / mean(1 / p)), errors of the rows added up."""
    log_likelihood = get_group(idata, "log_likelihood")["y"].to_numpy().reshape(-1, len(X))
    inverse = np.exp(-log_likelihood)
    return 5 * float((inverse.std(axis=0) / inverse.mean(axis=0)).sum()) / 300**0.5


@pytest.mark.long
@pytest.mark.parametrize(
    "language",
    [
        pytest.param("numpyro", marks=pytest.mark.numpyro),
        pytest.param("pymc", marks=pytest.mark.pymc),
    ],
)
def test_loo_is_near_the_exact_value(language, request):
    import arviz as az

    found = request.getfixturevalue(f"{language}_fit")
    idata = found if language == "numpyro" else found[1]
    result = az.loo(idata, pointwise=True)
    elpd = result.elpd_loo if is_first_generation() else result.elpd
    assert abs(float(elpd) - exact_elpd_loo()) < loo_tolerance(idata)
    assert np.asarray(result.pareto_k).shape == (len(X),)
    assert np.all(np.asarray(result.pareto_k) < 0.7)
    assert "Pareto k" in str(result)


@pytest.mark.stack
@pytest.mark.numpyro
def test_loo_corrects_draws_of_the_mixture():
    # Draws of q as they are, one component on purpose: lp and log_q say how far off it is.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # whether k is above 0.5 is chance
        idata = fit(
            numpyro_model, X, Y, num_components=1, whitening="diagonal", refine=0, importance=False
        )
        found = loo(idata)
    statistics = get_group(idata, "sample_stats")
    log_p, log_q = statistics["lp"].to_numpy(), statistics["log_q"].to_numpy()
    assert abs(found.elpd - exact_elpd_loo()) < 2 * loo_tolerance(idata)
    # The same by hand, without smoothing: log Σ w - log Σ w / p(y | θ), w = p / q.
    densities = np.exp(get_group(idata, "log_likelihood")["y"].to_numpy().reshape(-1, len(X)))
    ratios = np.exp(log_p - log_q - (log_p - log_q).max()).reshape(-1, 1)
    by_hand = np.log(ratios.sum() / (ratios / densities).sum(axis=0)).sum()
    without = -np.log((1 / densities).mean(axis=0)).sum()
    assert abs(found.elpd - by_hand) < 0.5 * loo_tolerance(idata)
    assert found.elpd != pytest.approx(without, abs=1e-6)
    if is_first_generation():
        return  # ArviZ 0.x has no loo_approximate_posterior to agree with
    import arviz as az

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = az.loo_approximate_posterior(idata, log_p=log_p, log_q=log_q, pointwise=True)
    assert found.elpd == pytest.approx(float(result.elpd), rel=1e-9)
    assert found.se == pytest.approx(float(result.se), rel=1e-9)
    np.testing.assert_allclose(found.pareto_k, np.asarray(result.pareto_k), rtol=1e-6)


@pytest.mark.long
@pytest.mark.pymc
@pytest.mark.parametrize(
    "labels",
    [
        pd.date_range("2020-01-01", periods=3, freq="MS"),
        # fast: test_pymc_labels.py
        pytest.param(pd.interval_range(0, 3), marks=pytest.mark.long),
        pytest.param(pd.to_timedelta([1, 2, 3], unit="D"), marks=pytest.mark.long),
    ],
    ids=["dates", "intervals", "spans"],
)
@pytest.mark.filterwarnings("ignore:the file stores the labels")
def test_labels_are_those_of_the_model_for_pymc(labels, tmp_path):
    # Labels that differ mean new data to PyMC 5: it would draw the levels from their prior.
    pm = pytest.importorskip("pymc")
    which = np.repeat(np.arange(3), 10)
    y = 5.0 * which + 0.1 * np.random.default_rng(0).standard_normal(30)
    with pm.Model(coords={"group": labels}) as model:
        level = pm.Normal("level", 0, 100, dims="group")
        pm.Normal("y", level[which], 0.1, observed=y)
    idata = fit(model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        predicted = pm.sample_posterior_predictive(
            idata, model=model, var_names=["y"], random_seed=1, progressbar=False
        )
    values = get_group(predicted, "posterior_predictive")["y"].values.reshape(-1, 30)
    # Noise of 0.1 and a level known to 0.1 / sqrt(10).
    assert np.all(np.abs(np.log(values.std(axis=0) / (0.1 * np.sqrt(1.1)))) < 5 / (2 * 500) ** 0.5)
    save(idata, tmp_path / "labels.nc")
    again = get_group(load(tmp_path / "labels.nc"), "posterior")["level"]
    np.testing.assert_array_equal(again.values, get_group(idata, "posterior")["level"].values)


@pytest.mark.pymc
def test_a_fit_after_predictions_of_everything():
    # PyMC 5 lists observed variables twice after these, and cannot read its own list.
    pm = pytest.importorskip("pymc")
    model = pymc_model()
    first = fit(model)
    pm.sample_posterior_predictive(first, model=model, random_seed=1, progressbar=False)
    again = fit(model)
    np.testing.assert_allclose(again.attrs["elbo"], first.attrs["elbo"])


@pytest.mark.long
@pytest.mark.pymc
def test_a_density_of_a_whole_vector_has_no_dimension():
    pm = pytest.importorskip("pymc")
    neighbors = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]], float)
    with pm.Model(coords={"area": range(4)}) as model:
        effect = pm.CAR("effect", mu=np.zeros(4), W=neighbors, alpha=0.5, tau=2.0, dims="area")
        pm.Poisson("y", pm.math.exp(effect), observed=[1, 2, 3, 4], dims="area")
    idata = fit(model)
    assert get_group(idata, "posterior")["effect"].dims == ("chain", "draw", "area")
    assert get_group(idata, "log_prior")["effect"].shape == (2, 500, 1)
    assert get_group(idata, "log_likelihood")["y"].dims == ("chain", "draw", "area")
