"""Loops of a program end after a number of iterations, and their results are NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.ode import odeint

import isogmm
from isogmm.model.programs.bounded_loops import MAX_ITERATIONS, bounded

pytestmark = pytest.mark.stack
LIMIT = 50
TIMES = np.linspace(0.0, 2.0, 4)


def halvings(x):
    """How often x must be halved until it is below one, and the quotient."""
    return jax.lax.while_loop(
        lambda state: state[1] >= 1.0, lambda state: (state[0] + 1, state[1] / 2.0), (0, x)
    )


def in_scan(x):
    return jax.lax.scan(lambda total, y: (total + halvings(x + y)[1], y), 0.0, jnp.arange(3.0))[0]


def in_cond(x):
    return jax.lax.cond(x > 0.0, lambda y: halvings(y)[1], lambda y: y, x)


def in_loop(x):
    return jax.lax.while_loop(
        lambda state: state[0] < 2, lambda state: (state[0] + 1, halvings(state[1])[1]), (0, x)
    )[1]


FORMS = {
    "loop": lambda x: halvings(x)[1],
    "scan": in_scan,
    "cond": in_cond,
    "loop in a loop": in_loop,
    "jit": jax.jit(lambda x: halvings(x)[1]),
    "checkpoint": jax.checkpoint(lambda x: halvings(x)[1]),
    "map": lambda x: jax.vmap(lambda y: halvings(y)[1])(x * jnp.ones(2)).sum(),
}


@pytest.mark.parametrize("form", FORMS)
def test_longer_loops_are_nan_and_others_unchanged(form):
    function = FORMS[form]
    program = jax.jit(jax.vmap(bounded(jax.jit(function, inline=True), LIMIT)))
    short, longest, too_long = 20.0, 2.0**LIMIT * 0.9, jnp.inf
    found = program(jnp.array([short, longest, too_long]))
    np.testing.assert_array_equal(found[:2], [function(short), function(longest)])
    assert np.isnan(found[2])


def test_integers_of_a_long_loop_remain():
    count, rest = jax.jit(bounded(jax.jit(halvings, inline=True), LIMIT))(jnp.inf)
    assert count == LIMIT
    assert np.isnan(rest)


def test_a_function_without_loops_is_called_itself():
    function = jax.jit(lambda x, data: x["a"] * data, inline=True)
    arguments = {"a": jnp.ones(2)}, jnp.arange(2.0)
    expected = jax.make_jaxpr(function)(*arguments)
    assert str(jax.make_jaxpr(bounded(function))(*arguments)) == str(expected)


def decay(x):
    """Four noisy observations of a decaying quantity, with its log rate."""
    values = odeint(lambda y, t, rate: -rate * y, 1.0, TIMES, jnp.exp(x[0]))
    return -0.5 * x[0] ** 2 - 0.5 * jnp.sum((values - jnp.exp(-TIMES)) ** 2) / 0.01


@pytest.mark.long
@pytest.mark.numpyro
def test_generated_values_of_extreme_draws_are_nan():
    import numpyro
    import numpyro.distributions as dist

    from isogmm_numpyro import NumPyroAdapter

    def model(y):
        rate = numpyro.sample("rate", dist.LogNormal(0.0, 1.0))
        values = odeint(lambda y, t, rate: -rate * y, 1.0, jnp.asarray(TIMES), rate)
        numpyro.deterministic("last", values[-1])
        numpyro.sample("y", dist.Normal(values, 0.1), obs=y)

    target = NumPyroAdapter().to_target(model, (np.exp(-TIMES),), {}, 0)
    found = target.constrain(np.array([[0.0], [30.0]]), 0)["posterior"]["last"]
    # The default tolerance of the solver is 1.4e-8.
    np.testing.assert_allclose(found[0], np.exp(-2.0), atol=1e-5)
    assert np.isnan(found[1])


@pytest.mark.long
def test_a_differential_equation_with_an_extreme_rate_is_not_finite():
    target = isogmm.LogDensity(decay, np.zeros(1), names="x").to_target()
    points = np.array([[0.2], [30.0]])
    values, _ = target.evaluate(points)
    # The solver would need more than 1e12 steps, several days.
    assert np.isfinite(values).tolist() == [True, False]
    assert np.isfinite(target.values(points)).tolist() == [True, False]
    exact = -0.5 * 0.2**2 - 50.0 * np.sum((np.exp(-np.exp(0.2) * TIMES) - np.exp(-TIMES)) ** 2)
    # The default tolerance of the solver is 1.4e-8 for each value.
    np.testing.assert_allclose(values[0], exact, atol=1e-4)
    assert MAX_ITERATIONS < 1e5
