"""Jumps of the log density, and continuous log densities that change as fast."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.model.checks.jumps import (
    MAX_EVALUATIONS,
    NUM_BESIDE,
    NUM_HALVINGS,
    coordinate_with_jumps,
)
from isogmm.model.to_target import to_target

TIMES = np.arange(60.0)


def found(log_density, dim=2, sd=1.0):
    target = to_target(isogmm.LogDensity(log_density, np.zeros(dim)), (), {}, 0)
    positions = sd * np.random.default_rng(0).standard_normal((40, dim))
    return coordinate_with_jumps(target, positions, np.full(dim, sd))


def switch(x):
    """A Poisson process whose rate changes at 30 + x[1]."""
    log_rate = jnp.where(30.0 + x[1] > TIMES, x[0] + 1.0, x[0])
    return jnp.sum(3.0 * log_rate - jnp.exp(log_rate)) - 0.5 * jnp.sum(x**2)


def test_a_continuous_switch_point_jumps():
    assert found(switch) == "x[1]"


@pytest.mark.parametrize(
    "log_density",
    [
        pytest.param(lambda x: -jnp.sum(x**2), id="Gaussian"),
        pytest.param(lambda x: -20.0 * jnp.sum(jnp.abs(x)), id="kink"),
        pytest.param(lambda x: -jnp.sum(jnp.cosh(5.0 * x)), id="steep"),
        pytest.param(lambda x: jnp.sum(jnp.cos(100.0 * x)), id="periodic"),
        pytest.param(lambda x: jnp.where(x[0] > 0.0, -jnp.sum(x), -jnp.inf), id="support"),
        pytest.param(lambda x: -3.0 / (1.0 + jnp.exp(-1e3 * x[0])) - x[1] ** 2, id="sigmoid"),
    ],
)
def test_continuous_log_densities_do_not_jump(log_density):
    assert found(log_density) is None


def test_rounding_errors_are_no_jumps():
    assert found(lambda x: 1e15 + 0.1 * (x[0] - 1e15) - 0.5 * jnp.sum(x**2)) is None


def test_many_coordinates_are_not_tested():
    assert found(lambda x: -jnp.sum(jnp.where(x > 0, 1.0, 2.0)), dim=MAX_EVALUATIONS) is None
    assert NUM_HALVINGS + 2 * NUM_BESIDE + 4 < 30  # evaluations of each interval
