"""Gradients of PyMC models that are NaN in JAX and finite in ``pm.sample``."""

import numpy as np
import pytest
from scipy.stats import poisson

pm = pytest.importorskip("pymc")

from isogmm_pymc import PyMCAdapter  # noqa: E402

pytestmark = [pytest.mark.pymc, pytest.mark.stack]

#: Time at risk in each interval; a unit that has left has none.
EXPOSURE = np.array([[1.0, 0.5, 0.0], [1.0, 1.0, 0.3]])
EVENTS = np.array([[0, 1, 0], [0, 0, 1]])


def test_a_rate_of_zero_where_the_count_is_zero():
    with pm.Model() as model:
        x = pm.Data("x", np.array([0.0, 1.0]))
        baseline = pm.Gamma("baseline", 1, 1, shape=3)
        beta = pm.Normal("beta", 0, 1)
        pm.Poisson("events", EXPOSURE * baseline * pm.math.exp(beta * x)[:, None], observed=EVENTS)
    target = PyMCAdapter().to_target(model, (), {}, 0)
    position = np.array([0.1, -0.2, 0.3, 0.4])
    names = [value.name for value in model.value_vars]
    point = dict(zip(names, target.unravel(position).values(), strict=True))
    value, gradient = target.evaluate(position)
    np.testing.assert_allclose(value, model.compile_logp(mode="FAST_COMPILE")(point))
    step = 1e-5  # the error of a central difference is the step squared
    for i, unit in enumerate(np.eye(4)):
        ahead, behind = target.values(np.stack([position + step * unit, position - step * unit]))
        np.testing.assert_allclose(gradient[i], (ahead - behind) / (2 * step), atol=1e-7)
    with model:
        pm.set_data({"x": np.array([1.0, 1.0])})
    again = PyMCAdapter().to_target(model, (), {}, 0)
    assert np.isfinite(again.evaluate(position)[1]).all()
    assert again.evaluate(position)[0] != value
    rate = EXPOSURE * np.exp(position[:3] + position[3])
    terms = again.constrain(position[None], 0)["log_likelihood"]["events"][0]
    np.testing.assert_allclose(terms, poisson.logpmf(EVENTS, rate), rtol=1e-10)
    # This gradient is one by the position only.
    assert again.hyperparameters is None


@pytest.mark.parametrize(
    "value", [1e4, *(pytest.param(x, marks=pytest.mark.long) for x in (-1e4, -1e-20, 0.0))]
)
def test_the_gradient_of_a_logistic_regression_is_finite_everywhere(value):
    with pm.Model() as model:
        b = pm.Flat("b", shape=2)
        pm.Bernoulli("y", logit_p=b, observed=[1, 0])
    log_density, gradient = PyMCAdapter().to_target(model, (), {}, 0).evaluate(np.full(2, value))
    # log p(y) = -log(1 + exp(-b)) - log(1 + exp(b)), whose sum is -|b| for a large b
    assert log_density == pytest.approx(-2.0 * np.log(2.0) if abs(value) < 1 else -abs(value))
    share = 0.5 if abs(value) < 1 else float(value > 0)
    np.testing.assert_allclose(gradient, [1.0 - share, -share])


def test_the_gradient_of_log_one_minus_exp_is_finite_near_zero():
    # log(1 - exp(x)) is about log(-x) there, with derivative 1 / x
    with pm.Model() as model:
        log_rate = pm.Flat("log_rate")
        pm.Potential("term", pm.math.log1mexp(-pm.math.exp(log_rate)))
    target = PyMCAdapter().to_target(model, (), {}, 0)
    for log_value, slope in ((-50.0, 1.0), (-5.0, None), (3.0, None), (8.0, 0.0)):
        value, gradient = target.evaluate(np.array([log_value]))
        x = np.exp(log_value)
        np.testing.assert_allclose(value, np.log(-np.expm1(-x)), atol=1e-300)
        exact = x / np.expm1(min(x, 700.0)) if slope is None else slope
        np.testing.assert_allclose(gradient, [exact], rtol=1e-12, atol=1e-300)
