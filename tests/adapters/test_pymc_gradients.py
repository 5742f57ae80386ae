"""Gradients of PyMC models that are NaN in JAX and finite in ``pm.sample``."""

import numpy as np
import pytest

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
