"""Refits for the cross-validation of ArviZ, compared with exact predictive densities."""

import warnings

import arviz as az
import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm import inference_data as idt
from isogmm.errors import FitWarning, OptionError

pytestmark = [pytest.mark.usefixtures("unchecked", "short_search"), pytest.mark.stack]

OPTIONS = {"random_seed": 1, "draws": 500, "progressbar": False}
Y = np.array([0.3, -1.2, 0.8, 3.0, -0.1, 0.4])


def log_likelihood(x, data):
    return {"y": -0.5 * (data["y"] - x["mu"]) ** 2 - 0.5 * jnp.log(2 * jnp.pi)}


def log_density(x, data):
    return -0.5 * x["mu"] ** 2 + log_likelihood(x, data)["y"].sum()


def model_of(y):
    example = {"mu": np.zeros(())}
    return isogmm.LogDensity(log_density, example, log_likelihood=log_likelihood, data={"y": y})


def exact(rows, held_out):
    """log p(y_i | y_rows) of a normal mean with a standard normal prior."""
    variance = 1 / (1 + len(rows))
    mean = variance * Y[rows].sum()
    total = 1 + variance
    return -0.5 * (Y[held_out] - mean) ** 2 / total - 0.5 * np.log(2 * np.pi * total)


@pytest.fixture(scope="module")
def fitted():
    return isogmm.fit_isogmm(model_of(Y), **OPTIONS)


def wrapper_of(idata, **options):
    return isogmm.sampling_wrapper(
        idata, model_of(Y), lambda rows: {"y": Y[rows]}, **{**OPTIONS, **options}
    )


@pytest.mark.long
def test_reloo_is_exact_leave_one_out(fitted):
    wrapper = wrapper_of(fitted)
    threshold = "k_thresh" if idt.is_first_generation() else "k_threshold"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ArviZ calls reloo experimental
        found = az.reloo(wrapper, loo_orig=az.loo(fitted, pointwise=True), **{threshold: -np.inf})
    terms = getattr(found, "loo_i" if idt.is_first_generation() else "elpd_i").values
    rows = np.arange(len(Y))
    expected = np.array([exact(np.delete(rows, i), i) for i in rows])
    # Five standard errors of the log of a mean of 2,000 draws.  The sd of p(y_i | mu) over the
    # posterior is at most 1.26 of its mean, at y = 3.
    np.testing.assert_allclose(terms, expected, atol=5 * 1.26 / np.sqrt(2000))
    assert [tuple(held_out) for held_out, _ in wrapper.verdicts] == [(i,) for i in rows]
    assert {verdict for _, verdict in wrapper.verdicts} <= {"good", "reweighted", "refined"}


@pytest.mark.skipif(not hasattr(az, "loo_kfold"), reason="ArviZ 1.x")
def test_kfold(fitted):
    folds = np.array([1, 1, 2, 2, 2, 3])
    found = az.loo_kfold(fitted, wrapper_of(fitted), folds=folds, pointwise=True)
    rows = np.arange(len(Y))
    expected = [exact(rows[folds != folds[i]], i) for i in rows]
    # As above; with fewer observations the posterior is wider, and the ratio is at most 1.67.
    np.testing.assert_allclose(found.elpd_i.values, expected, atol=5 * 1.67 / np.sqrt(2000))


def test_the_rows_of_an_unreliable_refit_are_named(fitted):
    def unreliable(model, *, random_seed, model_kwargs, progressbar, draws):
        return idt.from_groups({"posterior": fitted["posterior"]}, {"verdict": "unreliable"})

    wrapper = wrapper_of(fitted, fit=unreliable)
    with pytest.warns(FitWarning, match="the fit without the rows 0, 3 is unreliable"):
        wrapper.sample(wrapper.sel_observations([0, 3])[0])
    with pytest.warns(FitWarning, match="the rows 0, 1, 2, 3, 4 and 1 more"):
        wrapper.sample(np.array([], int))
    assert [verdict for _, verdict in wrapper.verdicts] == ["unreliable"] * 2


def test_arrays_in_place_of_a_function_are_an_error(fitted):
    with pytest.raises(OptionError, match=r"such as lambda rows: .* not an object of type tuple"):
        isogmm.sampling_wrapper(fitted, model_of(Y), (Y,))


def test_an_unknown_option_is_an_error(fitted):
    with pytest.raises(TypeError, match="target_accept"):
        wrapper_of(fitted, target_accept=0.9)


def test_data_that_do_not_follow_the_rows_are_an_error(fitted):
    wrapper = isogmm.sampling_wrapper(fitted, model_of(Y), lambda rows: {"y": Y})
    with pytest.raises(OptionError, match=r"returned \(6,\) observations of 'y' for 1 rows"):
        wrapper.log_likelihood__i(np.array([2]), fitted)


def test_several_dimensions_of_observations_are_an_error():
    table = model_of(Y.reshape(2, 3))
    idata = isogmm.fit_isogmm(table, **OPTIONS)
    with pytest.raises(OptionError, match=r"'y' has the shape \(2, 3\) for each draw"):
        isogmm.sampling_wrapper(idata, table, lambda rows: {"y": Y[rows]})


@pytest.mark.long
@pytest.mark.numpyro
def test_parameters_for_each_observation_are_an_error():
    numpyro = pytest.importorskip("numpyro")

    def model(y):
        with numpyro.plate("row", len(y)):
            effect = numpyro.sample("effect", numpyro.distributions.Normal())
            numpyro.sample("y", numpyro.distributions.Normal(effect), obs=y)

    idata = isogmm.fit_isogmm(model, Y, **OPTIONS)
    wrapper = isogmm.sampling_wrapper(idata, model, lambda rows: (Y[rows],), **OPTIONS)
    left, held_out = wrapper.sel_observations([3])
    with pytest.raises(OptionError, match="the result belongs to another model"):
        wrapper.log_likelihood__i(held_out, wrapper.sample(left))


@pytest.mark.long
@pytest.mark.pymc
def test_a_pymc_model(fitted):
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        data = pm.Data("data", Y)
        pm.Normal("y", pm.Normal("mu"), observed=data, shape=data.shape)
    wrapper = isogmm.sampling_wrapper(fitted, model, lambda rows: {"data": Y[rows]}, **OPTIONS)
    left, held_out = wrapper.sel_observations([3])
    terms = wrapper.log_likelihood__i(held_out, wrapper.sample(left)).values
    found = np.logaddexp.reduce(terms.ravel()) - np.log(terms.size)
    np.testing.assert_allclose(found, exact(left, 3), atol=5 * 1.26 / np.sqrt(2000))
    np.testing.assert_array_equal(model["data"].get_value(), Y)
