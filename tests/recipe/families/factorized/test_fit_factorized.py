"""``fit_factorized``: contents and size of the result."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from helpers.targets import make_target
from helpers.tolerances import assert_within_error
from isogmm.errors import FitWarning
from isogmm.inference_data import get_group, group_names


def model(dim=6, **options):
    center = np.linspace(-1.0, 1.0, dim)

    def log_density(x):
        return -0.5 * jnp.sum((x["w"] - jnp.asarray(center, x["w"].dtype)) ** 2) * 4.0

    return isogmm.LogDensity(log_density, {"w": np.zeros(dim)}, **options), center


@pytest.mark.long
def test_result_holds_draws_and_the_fit():
    target, center = model(dims={"w": ["unit"]})
    result = isogmm.fit_factorized(target, random_seed=0, draws=30, chains=2, num_components=3)
    assert {"posterior", "sample_stats", "fit", "fit_stats"} <= set(group_names(result))
    posterior = get_group(result, "posterior")["w"]
    assert posterior.dims == ("chain", "draw", "unit")
    assert posterior.shape == (2, 30, 6)
    assert posterior.dtype == np.float32
    fit = get_group(result, "fit")
    assert fit["means"].shape == (2, 3, 6)
    assert [str(name) for name in fit["coordinate"].values][:2] == ["w[0]", "w[1]"]
    # The evidence of the unnormalized Gaussian is its best ELBO, inside the family.
    evidence = 3.0 * np.log(2 * np.pi / 4.0)
    assert_within_error(result.attrs["elbo"], evidence, result.attrs["elbo_se"], bias=0.1)
    mixture = isogmm.FactorizedMixture.from_idata(result, chain=1)
    assert np.abs(mixture.mean() - center).max() < 0.2


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("chains", [1, 2])
def test_reports_and_plots_take_it(chains):
    target, _ = model()
    result = isogmm.fit_factorized(target, random_seed=0, draws=30, chains=chains)
    history = get_group(result, "fit_stats")
    assert history["elbo"].dims == ("check", "chain")
    for cost in ("gradient_evaluations", "iteration", "seconds"):
        assert history[cost].dims == ("check",)
        assert np.all(np.diff(history[cost]) > 0)
    assert history["gradient_evaluations"].values[-1] <= result.attrs["num_gradient_evaluations"]
    report = isogmm.report(result)
    assert "<svg" in report._repr_html_()
    # No evidence was estimated, so none is left out.
    assert "not reported" not in str(report)
    line = isogmm.plot_elbo(result).lines[0]
    np.testing.assert_array_equal(line.get_xdata(), history["gradient_evaluations"])


@pytest.mark.long
@pytest.mark.usefixtures("unchecked")
@pytest.mark.filterwarnings("ignore:isogmm. The fit reached max_iterations")  # a few will do here
def test_the_same_seed_gives_the_same_fit():
    target, _ = model()
    options = {"random_seed": 3, "draws": 5, "max_iterations": 100}
    first, second = (isogmm.fit_factorized(target, **options) for _ in range(2))
    for name in ("means", "variances"):
        np.testing.assert_array_equal(
            get_group(first, "fit")[name].values, get_group(second, "fit")[name].values
        )


@pytest.mark.long
def test_no_draws_store_no_draws():
    target, _ = model()
    result = isogmm.fit_factorized(
        target,
        random_seed=0,
        draws=0,
        method=isogmm.updates.EntropicMirror(0.05),
        max_iterations=20,
    )
    assert "posterior" not in group_names(result)
    assert result.attrs["iterations"] == 20
    assert np.isfinite(result.attrs["elbo"])


@pytest.mark.filterwarnings("ignore:isogmm. The fit reached max_iterations")  # a few will do here
def test_many_coordinates_come_back_in_single_precision():
    dim = 50_000
    target, _ = model(dim, batch_size=4, x64=False)
    result = isogmm.fit_factorized(target, random_seed=0, draws=3, max_iterations=4)
    assert get_group(result, "posterior")["w"].shape == (1, 3, dim)
    assert get_group(result, "fit")["means"].dtype == np.float32
    assert get_group(result, "fit")["variances"].shape == (1, 5, dim)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"draws": -1}, "draws"),
        ({"num_components": 0}, "num_components"),
        ({"center": np.zeros(4)}, "center"),
        ({"variance": 0.0}, "variance"),
        ({"method": "adam"}, "unknown method"),
        ({"step_size": 0.0}, "step_size"),
        ({"num_samples": 0}, "num_samples"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"draws": 10.5}, "draws"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_options_that_make_no_sense_are_refused(options, match):
    target, _ = model()
    with pytest.raises(isogmm.OptionError, match=match):
        isogmm.fit_factorized(target, random_seed=0, **options)


@pytest.mark.filterwarnings("ignore:isogmm. The fit reached max_iterations")  # a few will do here
def test_other_results_hold_no_factorized_mixture():
    target, _ = model()
    result = isogmm.fit_factorized(target, random_seed=0, draws=2, max_iterations=5)
    with pytest.raises(isogmm.OptionError, match="FactorizedMixture"):
        isogmm.Mixture.from_idata(result)


@pytest.mark.long
@pytest.mark.parametrize(
    ("options", "reason", "part"),
    [
        ({"max_iterations": 30}, "max_iterations", "reached max_iterations.*; continue with"),
        ({"max_seconds": 1e-3}, "max_seconds", "time limit.*; continue with"),
        ({"callback": lambda check: True}, "callback", "callback ended.*; continue with"),
    ],
)
def test_a_fit_that_ends_early_says_so(options, reason, part):
    target, _ = model()
    with pytest.warns(FitWarning, match=part):
        result = isogmm.fit_factorized(target, random_seed=0, **options)
    assert result.attrs["stop_reason"] == reason


def test_a_density_that_is_nowhere_finite_says_so():
    target = make_target(lambda x: (np.full(len(x), np.nan), np.full(x.shape, np.nan)), 3)
    with pytest.warns(FitWarning, match="not finite at any sample.*Choose an initial mixture"):
        result = isogmm.fit_factorized(target, random_seed=0, draws=0)
    assert result.attrs["stop_reason"] == "non_finite"


@pytest.mark.long
def test_a_number_of_steps_of_a_given_size_is_a_plan():
    target, _ = model()
    rule = isogmm.updates.BuresWasserstein(0.01)
    result = isogmm.fit_factorized(target, random_seed=0, method=rule, max_iterations=20)
    assert result.attrs["iterations"] == 20


@pytest.mark.long
def test_an_interrupt_ends_all_chains():
    target, _ = model()
    seen = []

    def callback(check):
        seen.append(check.iteration)
        return True

    with pytest.warns(FitWarning, match="The callback ended the fit"):
        result = isogmm.fit_factorized(target, random_seed=0, chains=3, callback=callback)
    assert len(seen) == 1
    assert get_group(result, "fit").sizes["chain"] == 1
