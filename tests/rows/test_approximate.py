"""One pass over the data at the centers of the surrogate, on a posterior that is Gaussian."""

import jax.numpy as jnp
import numpy as np
import pytest

from isogmm.rows.api import FAR_SHARE, _problem
from isogmm.rows.approximate import MAX_MASS_GAP, Approximation, _corrected, _Round
from isogmm.rows.blocks import Blocks
from isogmm.rows.density import Expansion, RowDensity
from isogmm.rows.surrogate import Correction

pytestmark = pytest.mark.usefixtures("unchecked")

Y = np.random.default_rng(0).normal(1.0, 2.0, size=(11, 2))
PRECISIONS = np.array([1.0, 4.0])


def log_density(mu, y):
    return -0.5 * jnp.sum(mu**2) - 0.5 * jnp.sum((y - mu[None]) ** 2 @ PRECISIONS)


def of_rows(mu, y):
    """Value, gradient and Hessian of the sum over rows."""
    gradient = (PRECISIONS * (y - mu)).sum(axis=0)
    value = -0.5 * (PRECISIONS * (y - mu) ** 2).sum()
    return value, gradient, -len(y) * np.diag(PRECISIONS)


def test_a_round_has_the_difference_the_mode_and_the_mass():
    blocks = Blocks(Y, 4)
    density = RowDensity(log_density, lambda arrays: arrays[0], blocks.first_row)
    list(blocks)  # the first pass
    centers = np.array([[0.0, 0.0], [1.0, 3.0]])
    found = _corrected(centers, density, blocks, [Y[:5]])
    precision = 1.0 + 11 * PRECISIONS
    mode = PRECISIONS * Y.sum(axis=0) / precision
    log_mass = float(log_density(mode, Y)) - 0.5 * np.log(precision).sum()
    for index, center in enumerate(centers):
        all_rows, sample = of_rows(center, Y), of_rows(center, Y[:5])
        for part, one, other in zip(found.correction.difference, all_rows, sample, strict=True):
            # Sums of 11 terms below 100 in double precision, and copies that are subtracted.
            np.testing.assert_allclose(part[index], one - 11 / 5 * other, atol=1e-10)
    np.testing.assert_allclose(found.correction.precisions, [np.diag(precision)] * 2, atol=1e-10)
    np.testing.assert_allclose(centers + found.steps, [mode, mode], atol=1e-10)
    np.testing.assert_allclose(found.log_masses, log_mass, atol=1e-10)


def test_modes_with_a_comparable_mass_are_relevant():
    def relevant(log_masses, rises):
        one = _Round(None, None, None, np.array(log_masses), np.array(rises))
        return one.are_relevant().tolist()

    masses = [-10.0, -9.0 - MAX_MASS_GAP, -11.0 - MAX_MASS_GAP, -np.inf]
    assert relevant(masses, [0.0] * 4) == [True, True, False, False]
    # The rise of a mode makes its mass uncertain.
    assert relevant(masses, [0.0, 0.0, 20.0, 20.0]) == [True, True, True, False]
    assert not any(relevant([-np.inf, -np.inf], [0.0, 0.0]))


@pytest.mark.parametrize(("num_far", "is_problem"), [(0, False), (1, False), (3, True)])
def test_draws_far_from_every_mode_are_a_problem(num_far, is_problem):
    zeros = Expansion(np.zeros(2), np.zeros((2, 1)), np.zeros((2, 1, 1)))
    centers, radii = np.array([[0.0], [100.0]]), np.full(2, 10.0)
    correction = Correction(centers, zeros, np.ones((2, 1, 1)), radii)
    positions = np.repeat([[0.0], [100.0]], 500, axis=0)
    positions[:num_far] = 1.01 * 10.0 * FAR_SHARE
    text = _problem(Approximation(None, correction, 2), positions, 100)
    assert ("0.3% of the draws are too far" in text) == is_problem
    assert bool(text) == is_problem
