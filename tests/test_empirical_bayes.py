"""Maximized hyperparameters, compared with the exact type-II likelihood and with EM."""

import contextlib
import sys
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

import isogmm
from isogmm.inference_data import attributes, get_group
from isogmm.model.fields import Hyperparameters
from isogmm.model.to_target import to_target

#: The module of the function.  The function has replaced it as an attribute of the package.
module = sys.modules[isogmm.empirical_bayes.__module__]

pytestmark = pytest.mark.usefixtures("unchecked", "short_search")

_rng = np.random.default_rng(0)
X = _rng.normal(size=(40, 5))
Y = X @ (1.5 * _rng.normal(size=5)) + 0.7 * _rng.normal(size=40)


def log_evidence(tau, sigma):
    """Log evidence of y = X β + ε with β ~ N(0, τ²) and ε ~ N(0, σ²)."""
    covariance = sigma**2 * np.eye(len(Y)) + tau**2 * X @ X.T
    return float(multivariate_normal(np.zeros(len(Y)), covariance).logpdf(Y))


@pytest.fixture(scope="module")
def exact():
    best = minimize(lambda reals: -log_evidence(*np.exp(reals)), np.zeros(2))
    return np.exp(best.x), -best.fun


def numpyro_model(x, y):
    import numpyro
    import numpyro.distributions as dist

    tau = numpyro.param("tau", 0.3, constraint=dist.constraints.positive)
    sigma = numpyro.param("sigma", 3.0, constraint=dist.constraints.positive)
    beta = numpyro.sample("beta", dist.Normal(0, tau).expand([5]).to_event(1))
    numpyro.sample("y", dist.Normal(x @ beta, sigma), obs=y)


def pymc_model():
    import pymc as pm

    with pm.Model() as model:
        tau, sigma = pm.Data("tau", 0.3), pm.Data("sigma", 3.0)
        beta = pm.Normal("beta", 0.0, tau, shape=5)
        pm.Normal("y", X @ beta, sigma, observed=Y)
    return model


def maximized(language, **options):
    if language == "numpyro":
        return isogmm.empirical_bayes(
            numpyro_model, X, Y, random_seed=1, progressbar=False, **options
        )
    supports = {"tau": "positive", "sigma": "positive"}
    model = pymc_model()
    return isogmm.empirical_bayes(
        model, maximize=supports, random_seed=1, progressbar=False, **options
    )


@pytest.mark.parametrize(
    "language",
    [
        pytest.param("numpyro", marks=pytest.mark.numpyro),
        pytest.param("pymc", marks=pytest.mark.pymc),
    ],
)
@pytest.mark.long
def test_regression_reaches_type_two_maximum_likelihood(language, exact):
    pytest.importorskip(language)
    idata = maximized(language)
    group = get_group(idata, "empirical_bayes")
    values = np.array([float(group["tau"]), float(group["sigma"])])
    # The M-step averages over 2,000 draws.  The relative error of the sufficient statistics is at
    # most sqrt(2 / 2000), and half of that for a scale; five of these errors are allowed.
    np.testing.assert_allclose(values, exact[0], rtol=5 * 0.5 * np.sqrt(2 / 2000))
    assert log_evidence(*values) > exact[1] - 0.02
    found = attributes(idata)
    assert found["empirical_bayes_converged"] == 1
    assert 2 <= found["empirical_bayes_rounds"] <= 30
    # The returned fit is the one at the maximum.
    assert abs(found["log_evidence"] - exact[1]) < 5 * max(found["log_evidence_se"], 0.01) + 0.02
    tau, sigma = values
    precision = X.T @ X / sigma**2 + np.eye(5) / tau**2
    mean = np.linalg.solve(precision, X.T @ Y / sigma**2)
    sd = np.sqrt(np.diag(np.linalg.inv(precision)))
    error = get_group(idata, "posterior")["beta"].mean(("chain", "draw")).to_numpy() - mean
    assert np.all(np.abs(error) < 5 * sd / np.sqrt(1000))


@pytest.mark.long
@pytest.mark.numpyro
def test_ard_regression_agrees_with_coordinate_ascent():
    pytest.importorskip("numpyro")
    import numpyro
    import numpyro.distributions as dist

    coefficients = np.array([2.0, 0.0, -1.0, 0.05])
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 4))
    y = x @ coefficients + 0.5 * rng.normal(size=30)
    penalty = 0.5

    def model(x, y):
        """Each coefficient has its own variance; a penalty keeps it away from zero."""
        scale = numpyro.param("scale", np.ones(4), constraint=dist.constraints.positive)
        numpyro.factor("penalty", -(penalty / scale**2).sum())
        w = numpyro.sample("w", dist.Normal(0, scale).to_event(1))
        numpyro.sample("y", dist.Normal(x @ w, 0.5), obs=y)

    variance = np.ones(4)
    for _ in range(2000):  # updates q(w) and the variances in turn
        covariance = np.linalg.inv(x.T @ x / 0.25 + np.diag(1 / variance))
        mean = covariance @ x.T @ y / 0.25
        variance = mean**2 + np.diag(covariance) + 2 * penalty
    idata = isogmm.empirical_bayes(model, x, y, random_seed=2, progressbar=False)
    scale = get_group(idata, "empirical_bayes")["scale"].to_numpy()
    np.testing.assert_allclose(scale, np.sqrt(variance), rtol=5 * 0.5 * np.sqrt(2 / 2000))
    w = get_group(idata, "posterior")["w"].mean(("chain", "draw")).to_numpy()
    assert np.all(np.abs(w - mean) < 5 * np.sqrt(np.diag(covariance) / 1000))


@pytest.mark.long
@pytest.mark.numpyro
def test_parameters_that_are_not_named_stay_fixed():
    pytest.importorskip("numpyro")
    with pytest.warns(isogmm.FitWarning, match="still changed after 2 rounds"):
        idata = maximized("numpyro", maximize=["tau"], max_rounds=2)
    assert set(get_group(idata, "empirical_bayes").data_vars) == {"tau"}


@pytest.mark.numpyro
def test_unknown_names_are_errors():
    pytest.importorskip("numpyro")
    with pytest.raises(isogmm.OptionError, match=r"tua.*sigma"):
        maximized("numpyro", maximize=["tua"])
    with pytest.raises(isogmm.OptionError, match="no hyperparameters"):
        isogmm.empirical_bayes(isogmm.LogDensity(lambda x: -(x**2).sum(), np.zeros(2)))


@pytest.mark.numpyro
@pytest.mark.parametrize("option", [{"max_rounds": 1}, {"tolerance": -1.0}])
def test_budgets_are_checked(option):
    pytest.importorskip("numpyro")
    with pytest.raises(isogmm.OptionError, match=next(iter(option))):
        maximized("numpyro", **option)


@pytest.mark.numpyro
@pytest.mark.filterwarnings("ignore:.*still changed after 2 rounds:isogmm.errors.FitWarning")
def test_the_last_round_ends_with_a_step_and_not_with_an_extrapolation(exact):
    """The extrapolation of the first two steps has a log likelihood below -1000."""
    pytest.importorskip("numpyro")
    result = maximized("numpyro", maximize="tau", max_rounds=2, draws=100, chains=2)
    tau = float(get_group(result, "empirical_bayes")["tau"])
    assert result.attrs["empirical_bayes_converged"] == 0
    # EM does not decrease the likelihood, apart from the Monte Carlo error.
    assert log_evidence(tau, 3.0) > log_evidence(0.3, 3.0)


@pytest.mark.pymc
def test_pymc_names_and_supports_are_checked():
    pytest.importorskip("pymc")
    model = pymc_model()
    for maximize, message in (
        (None, "names nothing"),
        (["beta"], "beta"),
        ({"tau": "simplex"}, "simplex"),
    ):
        with pytest.raises(isogmm.OptionError, match=message):
            isogmm.empirical_bayes(model, maximize=maximize)


@pytest.mark.pymc
@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_the_initial_value_of_a_positive_parameter_must_be_positive(value):
    pm = pytest.importorskip("pymc")
    with pm.Model() as model:
        shift = pm.Data("shift", value)
        pm.Normal("x", shift, 1.0)
    with pytest.raises(isogmm.OptionError, match="must be positive"):
        isogmm.empirical_bayes(model, maximize={"shift": "positive"})


@pytest.mark.pymc
def test_pymc_data_are_hyperparameters_of_the_density():
    pm = pytest.importorskip("pymc")
    model = pymc_model()
    target = to_target(model, (), {}, 0)
    found = target.hyperparameters({"tau": "positive", "sigma": "positive"})
    np.testing.assert_allclose(found.unconstrained["sigma"], np.log(3.0))
    values = found.to_support({"tau": np.log(2.0), "sigma": np.log(0.5)})
    position = np.linspace(-1.0, 1.0, 5)
    log_density = found.log_density(position, values)
    pm.set_data({"tau": 2.0, "sigma": 0.5}, model=model)
    expected = model.compile_logp(mode="FAST_COMPILE")({"beta": position})
    np.testing.assert_allclose(log_density, expected, rtol=1e-10)


# --- one step and the rounds, without fits ----------------------------------------------------


def one_hyperparameter(log_density):
    """A real hyperparameter phi, at zero, of a log joint density."""
    return Hyperparameters(
        values={"phi": np.zeros(())},
        unconstrained={"phi": np.zeros(())},
        to_support=lambda reals: dict(reals),
        log_density=lambda position, values: log_density(position[0], values["phi"]),
        bind=lambda values: {},
    )


def em_step(log_density):
    hyperparameters = one_hyperparameter(log_density)
    target = isogmm.LogDensity(lambda x: -0.5 * jnp.sum(x**2), np.zeros(1)).to_target()
    return module._EMStep(target, hyperparameters, module._Vectors(hyperparameters), 0)


@pytest.fixture
def draws_of_q(monkeypatch):
    """Fits whose draws are 0 and 1 with the weights 0.25 and 0.75, and their options."""
    calls = []

    def fit(target, **options):
        calls.append(options)
        return f"fit {len(calls)}"

    statistics = xr.Dataset({"log_weight": (("chain", "draw"), np.log([[0.25, 0.75]]))})
    monkeypatch.setattr(module, "fit_isogmm", fit)
    monkeypatch.setattr(module, "attributes", lambda result: {"num_gradient_evaluations": 10})
    monkeypatch.setattr(module, "positions_from", lambda result: np.array([[[0.0], [1.0]]]))
    monkeypatch.setattr(module, "get_group", lambda result, name: statistics)
    return calls


def test_a_step_maximizes_the_mean_over_weighted_draws(draws_of_q):
    step = em_step(lambda x, phi: -0.5 * (x - phi) ** 2)
    # A quadratic: L-BFGS ends at a gradient of 1e-5.
    np.testing.assert_allclose(step(np.array([0.1])), 0.75, atol=1e-5)
    step(np.array([0.2]))
    # The second fit continues the first one.
    assert [call["resume"] for call in draws_of_q] == [None, "fit 1"]
    assert (step.rounds, step.num_gradients) == (2, 20)


@pytest.mark.parametrize(
    "density",
    [
        lambda x, phi: jnp.where(phi < 1.0, phi + x, jnp.nan),
        # The value is finite and larger beyond 1, where the gradient is NaN.
        lambda x, phi: jnp.where(phi < 1.0, phi + 0.0 * jnp.sqrt(1.0 - phi), 5.0) + x,
    ],
    ids=["value", "gradient"],
)
def test_a_step_stays_where_the_density_is_finite(density, draws_of_q):
    step = em_step(density)
    found = step(np.array([0.9]))
    assert 0.9 <= found[0] < 1.0


def test_a_pair_of_steps_of_a_linear_map_is_extrapolated_to_its_limit():
    class Linear:
        """Steps that move a fifth of the way to 3."""

        def __init__(self):
            self.vectors = module._Vectors(one_hyperparameter(lambda x, phi: phi))
            self.target, self.rounds, self.num_gradients = SimpleNamespace(), 0, 0
            self.target.precision, self.seen = contextlib.nullcontext, []

        def __call__(self, vector):
            self.seen.append(float(vector[0]))
            self.rounds += 1
            return vector + 0.2 * (3.0 - vector)

    step = Linear()
    found = module._maximum(step, 60, 1e-6)
    np.testing.assert_allclose(step.seen, [0.0, 0.6, 3.0, 3.0])
    np.testing.assert_allclose(found.values["phi"], 3.0)
    assert (found.rounds, found.converged) == (4, True)
    # A budget of three rounds has one pair of steps, and ends with the second of them.
    found = module._maximum(Linear(), 3, 1e-6)
    np.testing.assert_allclose(found.values["phi"], 1.08)
    assert (found.rounds, found.converged) == (2, False)


def test_two_hyperparameters_are_extrapolated_together():
    """SQUAREM (Varadhan and Roland 2008): θ - 2 α r + α² v, with α = -|r| / |v|.

    For one hyperparameter and a linear map this is the same as a longer step, θ - α r.
    """
    rates, seen = np.array([0.2, 0.5]), []

    def step(vector):
        seen.append(vector)
        step.rounds += 1
        return vector + rates * (3.0 - vector)

    step.rounds, step.num_gradients = 0, 0
    step.vectors = SimpleNamespace(initial=np.zeros(2), to_values=lambda vector: {"phi": vector})
    step.target = SimpleNamespace(precision=contextlib.nullcontext)
    module._maximum(step, 4, 1e-6)
    r, v = 3.0 * rates, -3.0 * rates**2
    alpha = np.linalg.norm(r) / np.linalg.norm(v)
    np.testing.assert_allclose(seen[2], 2.0 * alpha * r + alpha**2 * v)
