"""NUTS and tempered SMC that start from a fit, on a target with two modes and known evidence."""

import jax.numpy as jnp
import numpy as np
import pytest
from jax.scipy.special import logsumexp

import isogmm
from helpers.notebook import notebook_line
from isogmm.inference_data import attributes, get_group
from isogmm.samplers.modes import modes_of, shares

# The samplers of other packages mix precisions.
pytestmark = [pytest.mark.weak_dtypes, pytest.mark.usefixtures("unchecked", "short_search")]

DIM = 3
MASSES = np.array([0.7, 0.3])
CENTERS = np.array([[-6.0, 0.0, 1.0], [6.0, 3.0, -1.0]])
SDS = np.array([[1.0, 0.5, 2.0], [0.4, 1.5, 0.6]])
LOG_EVIDENCE = 2.5


def log_density(x):
    parts = -0.5 * jnp.sum(((x - CENTERS) / SDS) ** 2, axis=1)
    parts = parts - jnp.sum(jnp.log(SDS), axis=1) - 0.5 * DIM * np.log(2 * np.pi)
    return LOG_EVIDENCE + logsumexp(parts + np.log(MASSES))


@pytest.fixture(scope="module")
def model():
    return isogmm.LogDensity(log_density, np.zeros(DIM), names="x")


@pytest.fixture(scope="module")
def idata(model):
    return isogmm.fit_isogmm(model, random_seed=1, draws=500, chains=2, progressbar=False)


def moments_are_right(result, masses, ess, mass_se):
    """Mean and second moment within five standard errors, that of the masses included."""
    draws = get_group(result, "posterior")["x"].to_numpy().reshape(-1, DIM)
    for power in (1, 2):
        inside = CENTERS if power == 1 else CENTERS**2 + SDS**2
        truth = MASSES @ inside
        variance = (draws**power).var(axis=0)
        se = np.sqrt(variance / ess) + mass_se * np.abs(inside[0] - inside[1])
        np.testing.assert_array_less(np.abs((draws**power).mean(axis=0) - truth), 5 * se)


def test_modes_of_a_fit(model, idata):
    modes = modes_of(idata, model.to_target())
    assert len(modes) == 2
    assert [mode.mass for mode in modes] == sorted((m.mass for m in modes), reverse=True)
    np.testing.assert_allclose(sum(mode.mass for mode in modes), 1.0)
    for mode, center, sd in zip(modes, CENTERS, SDS, strict=True):
        # With some hundred draws of each mode, errors of 0.3 sd or 40 % of a variance are bugs.
        np.testing.assert_allclose(mode.draws.mean(axis=0), center, atol=0.3 * sd.max())
        np.testing.assert_allclose(np.diag(mode.covariance), sd**2, rtol=0.4)
        starts = mode.starting_points(7, np.random.default_rng(0))
        assert starts.shape == (7, DIM)
        assert all((mode.draws == start).all(axis=1).any() for start in starts)


def test_shares_are_whole_and_complete():
    assert shares(np.array([0.5, 0.3, 0.2]), 10).tolist() == [5, 3, 2]
    assert shares(np.array([1 / 3, 1 / 3, 1 / 3]), 10).sum() == 10
    assert shares(np.array([0.9999, 0.0001]), 100).tolist() == [100, 0]


def test_nuts_from_visits_the_modes_in_proportion(model, idata, monkeypatch):
    pytest.importorskip("blackjax")
    shown = notebook_line(monkeypatch)
    result = isogmm.nuts_from(idata, model, draws=600, chains=4, tune=60, random_seed=2)
    assert any("running NUTS from the fit, mode 2 of 2" in text for text in shown[:-1])
    draws = get_group(result, "posterior")["x"]
    assert draws.sizes["chain"] == 4
    assert draws.sizes["draw"] == 600
    np.testing.assert_array_equal(draws["draw"], np.arange(600))
    share = (draws.to_numpy()[..., 0] < 0).mean(axis=1)
    mass = float(get_group(idata, "fit")["mode_mass"].values.max())
    np.testing.assert_allclose(share, mass, atol=1 / 600)
    # Draws of the modes alternate, so that both halves of a chain agree.
    halves = (draws.to_numpy()[..., 0] < 0).reshape(4, 2, 300).mean(axis=2)
    assert np.ptp(halves) < 0.01
    mass_se = float(get_group(idata, "fit")["mode_mass_se"].values.max())
    moments_are_right(result, MASSES, ess=400, mass_se=mass_se)
    found = attributes(result)
    assert 0 < found["num_warmup_gradient_evaluations"] < found["num_gradient_evaluations"]
    assert found["num_modes"] == 2
    assert found["inference_library"] == "blackjax"
    assert found["fit_num_gradient_evaluations"] == attributes(idata)["num_gradient_evaluations"]
    assert set(np.unique(get_group(result, "sample_stats")["mode"])) == {0, 1}


def test_smc_from_gives_the_evidence(model, idata, monkeypatch):
    pytest.importorskip("blackjax")
    shown = notebook_line(monkeypatch)
    result = isogmm.smc_from(idata, model, draws=1000, chains=3, random_seed=3)
    assert any("run 3 of 3, inverse temperature 1, 100 % done" in text for text in shown[:-1])
    found = attributes(result)
    assert found["log_evidence_se"] < 0.1
    # A standard error from three runs is itself uncertain: it is taken as at least 0.02 nats.
    assert abs(found["log_evidence"] - LOG_EVIDENCE) < 5 * max(found["log_evidence_se"], 0.02)
    assert 1 < found["num_temperatures"] < 20
    moments_are_right(result, MASSES, ess=1000, mass_se=0.01)
    mixture = isogmm.Mixture.from_idata(idata).pooled()
    log_q = get_group(result, "sample_stats")["log_q"].to_numpy()
    draws = get_group(result, "posterior")["x"].to_numpy()
    np.testing.assert_allclose(log_q[0], mixture.log_prob(draws[0]))


def test_a_result_of_another_model_is_refused(idata):
    other = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(2), names="other")
    for function in (isogmm.nuts_from, isogmm.smc_from):
        with pytest.raises(isogmm.OptionError, match="other"):
            function(idata, other, draws=10, chains=1)


@pytest.mark.parametrize("option", ["draws", "chains", "tune"])
def test_invalid_numbers_are_refused(model, idata, option):
    with pytest.raises(isogmm.OptionError, match=f"{option} must be a whole number"):
        isogmm.nuts_from(idata, model, **{option: 0})
    if option != "tune":
        with pytest.raises(isogmm.OptionError, match=f"{option} must be a whole number"):
            isogmm.smc_from(idata, model, **{option: 0})


@pytest.mark.long
@pytest.mark.parametrize("names", ["x", ["b[0]", "b[1]", "s"]])
def test_draws_are_found_for_any_names_of_variables(names):
    model = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(3), names=names)
    idata = isogmm.fit_isogmm(model, random_seed=0, draws=100, chains=2, progressbar=False)
    delivered = get_group(idata, "posterior").to_dataarray().values.reshape(-1, 200)
    (mode,) = modes_of(idata, model.to_target())
    np.testing.assert_array_equal(np.sort(mode.draws.ravel()), np.sort(delivered.ravel()))


@pytest.mark.long
def test_constrained_draws_are_not_used_as_unconstrained_ones():
    """A past error: the standard deviation was used in place of its logarithm."""
    model = isogmm.LogDensity(
        lambda log_s: jnp.sum(-0.5 * jnp.exp(2.0 * log_s) / 1e6 + log_s),
        np.zeros(1),
        names="s",
        constrain=lambda log_s: {"s": jnp.exp(log_s)},
    )
    options = {"random_seed": 0, "draws": 100, "chains": 2, "progressbar": False}
    idata = isogmm.fit_isogmm(model, idata_kwargs={"include_transformed": False}, **options)
    for function in (isogmm.nuts_from, isogmm.smc_from):
        with pytest.raises(isogmm.OptionError, match="include_transformed"):
            function(idata, model, draws=10, chains=1)
    whole = isogmm.fit_isogmm(model, **options)
    (mode,) = modes_of(whole, model.to_target())
    drawn = get_group(whole, "posterior")["s"].values.ravel()
    np.testing.assert_allclose(np.exp(mode.draws.ravel()), drawn, rtol=1e-5)


def test_smc_from_checks_its_options(model, idata):
    with pytest.raises(isogmm.OptionError, match="target_ess"):
        isogmm.smc_from(idata, model, target_ess=1.5)
