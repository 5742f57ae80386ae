"""Whole fits of functions without a gradient, against exact moments."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.special import digamma, polygamma

import isogmm
from helpers.families import default_options
from helpers.tolerances import assert_within_error
from isogmm.errors import FitWarning, ModelError, OptionError
from isogmm.model.functions.log_density import NO_GRADIENT
from isogmm.recipe.judgment.findings import Findings
from isogmm.recipe.judgment.verdict import decide
from isogmm.recipe.values_only import values_only
from isogmm.results.labeling.labels import DrawSource, Verdict

pytestmark = pytest.mark.usefixtures("unchecked")

QUICK = {"random_seed": 0, "progressbar": False}
SHAPES = np.array([2.0, 3.0, 4.0])
START = isogmm.initialization.GivenMixture(np.array([[3.0, 3.0], [-3.0, -3.0]]), 0.5)


def log_gamma(x):
    """Logarithms of gamma variables, many points; the density is exp(a x - exp(x)) / Γ(a)."""
    return (SHAPES * x - np.exp(x)).sum(-1)


def two_modes(x):
    """0.3 N((3, 3), I) + 0.7 N((-3, -3), I / 4), unnormalized by a factor of 2π, many points."""
    wide = np.log(0.3) - 0.5 * ((x - 3.0) ** 2).sum(-1)
    narrow = np.log(0.7) + np.log(4.0) - 2.0 * ((x + 3.0) ** 2).sum(-1)
    return np.logaddexp(wide, narrow)


def funnel(x):
    return (
        -0.5 * x[..., 0] ** 2
        - 0.5 * (x[..., 1:] ** 2).sum(-1) * np.exp(-2 * x[..., 0])
        - ((x.shape[-1] - 1) * x[..., 0])
    )


def black_box(fn, dim, **options):
    return isogmm.LogDensity(fn, np.zeros(dim), names="x", gradient=False, **options)


def draws_of(idata):
    return np.asarray(idata["posterior"]["x"]).reshape(-1, idata["posterior"]["x"].shape[-1])


def check_mean(idata, values, exact, variance):
    """The mean of 4,000 draws that were chosen by weights with the stored effective size."""
    size = 1.0 / (1.0 / len(values) + 1.0 / idata.attrs["importance_ess"])
    assert_within_error(values.mean(axis=0), exact, np.sqrt(variance / size))


@pytest.mark.long  # fast: test_two_modes
def test_skewed_density_in_three_dimensions():
    idata = isogmm.fit_isogmm(black_box(log_gamma, 3, vectorized=True), **QUICK)
    assert idata.attrs["verdict"] in ("good", "reweighted")
    draws = draws_of(idata)
    check_mean(idata, draws, digamma(SHAPES), polygamma(1, SHAPES))
    squares = (draws - digamma(SHAPES)) ** 2
    fourth = polygamma(3, SHAPES) + 3 * polygamma(1, SHAPES) ** 2
    check_mean(idata, squares, polygamma(1, SHAPES), fourth - polygamma(1, SHAPES) ** 2)
    evidence = np.log([1.0, 2.0, 6.0]).sum()  # the log of the product of Γ(a)
    assert_within_error(idata.attrs["log_evidence"], evidence, idata.attrs["log_evidence_se"])
    assert idata.attrs["advice"].startswith(NO_GRADIENT)
    text = str(isogmm.report(idata))
    assert "The log density has no gradient" in text
    assert "log density evaluations" in text
    assert "gradient evaluations" not in text


@pytest.mark.long
def test_two_modes():
    model = black_box(two_modes, 2, vectorized=True)
    idata = isogmm.fit_isogmm(model, **QUICK)
    assert idata.attrs["verdict"] in ("good", "reweighted")
    assert idata.attrs["num_modes"] == 2
    np.testing.assert_allclose(np.asarray(idata["fit"]["mode_mass"]), [0.7, 0.3], atol=0.01)
    is_wide = (draws_of(idata).sum(axis=1) > 0)[:, None].astype(float)
    check_mean(idata, is_wide, 0.3, 0.21)


@pytest.mark.long
def test_batches_points_and_workers_give_the_same_draws():
    options = {**QUICK, "chains": 2, "draws": 100, "init": START, "num_components": 2}
    options |= {"max_iterations": 15, "weights": "learned"}
    single = black_box(two_modes, 2)
    with ThreadPoolExecutor(2) as executor, pytest.warns(FitWarning):
        fits = [
            isogmm.fit_isogmm(black_box(two_modes, 2, vectorized=True), **options),
            isogmm.fit_isogmm(single, **options),
            isogmm.fit_isogmm(single, executor=executor, **options),
        ]
    for other in fits[1:]:
        np.testing.assert_allclose(draws_of(other), draws_of(fits[0]), rtol=1e-9)


@pytest.mark.long
def test_weights_that_fail_are_unreliable():
    model = black_box(funnel, 4, vectorized=True)
    start = isogmm.initialization.GivenMixture(np.zeros((1, 4)), 1.0)
    options = {**QUICK, "draws": 250, "max_iterations": 50, "init": start, "num_components": 1}
    with pytest.warns(FitWarning, match="HMC chains cannot correct it, because the log density"):
        idata = isogmm.fit_isogmm(model, **options)
    assert idata.attrs["verdict"] == "unreliable"
    assert "nuts_from" not in idata.attrs["advice"]


def test_no_advice_needs_a_gradient():
    good = {"source": DrawSource.MIXTURE, "pareto_k": 0.1, "relative_ess": 0.9, "rhat": 1.0}
    for problem in ({"pareto_k": 0.9}, {"relative_ess": 0.1}, {"rhat": 1.5}):
        case = Findings(**{**good, **problem}, rhat_name="x", has_gradient=False)
        verdict, advice = decide(case)
        assert verdict is Verdict.UNRELIABLE
        assert "refine" not in advice
        assert "nuts_from" not in advice


@pytest.mark.parametrize(
    ("options", "name"),
    [({"refine": 100}, "refine=100"), ({"whitening": "low_rank"}, "whitening='low_rank'")],
)
def test_options_that_need_a_gradient_are_refused(options, name):
    with pytest.raises(OptionError, match=name):
        isogmm.fit_isogmm(black_box(two_modes, 2, vectorized=True), **QUICK, **options)


def test_methods_that_need_a_gradient_say_so():
    model = black_box(two_modes, 2, vectorized=True)
    for family in (isogmm.fit_gmmvi, isogmm.fit_factorized):
        with pytest.raises(OptionError, match=r"use isogmm\.fit_isogmm"):
            family(model, **QUICK)
    for name in ("laplace", "svgd"):
        with pytest.raises(ModelError, match="has no gradient"):
            getattr(isogmm.baselines, name)(model, progressbar=False)
    start = isogmm.initialization.UniformMeans(3.0)
    with pytest.raises(ModelError, match="has no gradient"):
        isogmm.fit_isogmm(model, init=start, whitening="dense", **QUICK)


def test_a_given_start_needs_no_search():
    model = black_box(two_modes, 2, vectorized=True)
    idata = isogmm.fit_isogmm(model, init=START, num_components=2, weights="learned", **QUICK)
    assert idata.attrs["verdict"] in ("good", "reweighted")
    check_mean(idata, (draws_of(idata).sum(axis=1) > 0)[:, None].astype(float), 0.3, 0.21)


def test_wrong_gradients_are_refused():
    with pytest.raises(OptionError, match="gradient must be a function, or False"):
        isogmm.LogDensity(two_modes, np.zeros(2), gradient=True)
    with pytest.raises(OptionError, match="give only one of them"):
        isogmm.LogDensity(None, np.zeros(2), gradient=False, value_and_grad=lambda x: (0.0, x))
    with pytest.raises(ModelError, match="gradient=False, if there is no gradient"):
        isogmm.LogDensity(log_gamma, np.zeros(3))


@pytest.mark.parametrize(("count", "expected"), [(5, False), (6, True)])
def test_an_odd_number_of_samples_is_drawn_without_pairs(count, expected):
    given = default_options() | {"num_samples": count}
    estimator = values_only("auto", given)["estimator"]
    assert (estimator.num_samples, estimator.antithetic) == (count, expected)
