"""Rounding errors of log densities whose size is known."""

import jax.numpy as jnp
import numpy as np
import pytest

import isogmm
from isogmm.model.checks.rounding_error import rounding_error
from isogmm.model.to_target import to_target


def error_of(log_density, positions):
    model = isogmm.LogDensity(log_density, np.zeros(positions.shape[1]))
    return rounding_error(to_target(model, (), {}, 0), positions)


POSITIONS = np.random.default_rng(0).uniform(1.0, 2.0, size=(64, 3))


def test_a_smooth_log_density_has_no_error():
    unit = 2.0**-52
    # The derivatives are at most 2 in three coordinates, and the sum has a few units of its own.
    assert error_of(lambda x: -0.5 * (x**2).sum(), POSITIONS) < 10 * unit


def test_the_error_of_a_large_constant_is_found():
    unit = 2.0**-10  # of numbers between 2**42 and 2**43
    large = 2.0**42 + 2.0**41
    error = error_of(lambda x: large * jnp.exp(x[0]) * jnp.exp(-x[0]), POSITIONS)
    assert 0.1 * unit < error < 10 * unit


def test_coordinates_that_are_coarser_than_the_posterior_have_an_error():
    # One unit in the last place is half of a standard deviation.
    sd = 2.0**-51
    assert error_of(lambda x: -0.5 * ((x[0] - 1.5) / sd) ** 2, POSITIONS) > 1.0


def test_a_log_density_that_is_nowhere_finite_has_none():
    assert error_of(lambda x: -np.inf * x.sum(), POSITIONS) == pytest.approx(0.0)


def test_the_error_is_that_of_the_precision_of_the_model():
    model = isogmm.LogDensity(lambda x: -0.5 * (x**2).sum(), np.zeros(3), x64=False)
    # Neighbors in double precision are equal in single precision.
    assert 2.0**-26 < rounding_error(model.to_target(), POSITIONS) < 10 * 2.0**-23
