"""Weights of Stein's identity: exact moments of Gaussians, and when they are not used."""

import numpy as np
import pytest

from isogmm.draws.chains.convergence import tail_error
from isogmm.draws.stein import stein_functions, stein_weights

SHAPE = (100, 30)
EQUAL = np.full(SHAPE, 1.0 / np.prod(SHAPE))


def independent(seed, dim):
    return np.random.default_rng(seed).standard_normal((*SHAPE, dim))


def gaussian(seed):
    """Draws of a Gaussian in two dimensions, and the gradients of its log density."""
    covariance = np.array([[1.5, 0.6], [0.6, 0.8]])
    draws = 0.2 + independent(seed, 2) @ np.linalg.cholesky(covariance).T
    return draws, -(draws - 0.2) @ np.linalg.inv(covariance), covariance


def test_moments_of_a_gaussian_have_no_error():
    draws, gradients, covariance = gaussian(0)
    weights = stein_weights(draws, gradients, EQUAL)
    np.testing.assert_allclose(weights.sum(), 1.0)
    flat, shares = draws.reshape(-1, 2), weights.ravel()
    np.testing.assert_allclose(shares @ flat, 0.2, atol=1e-9)
    found = (flat * shares[:, None]).T @ flat - 0.04
    np.testing.assert_allclose(found, covariance, atol=1e-9)
    assert np.abs(draws.mean(axis=(0, 1)) - 0.2).max() > 1e-3


def test_weights_keep_their_sum_and_zeros():
    draws, gradients, _ = gaussian(1)
    weights = np.where(draws[..., 0] > 0.0, 3.0, 0.0)
    found = stein_weights(draws, gradients, weights)
    np.testing.assert_allclose(found.sum(), weights.sum())
    assert not np.any(found[weights == 0.0])
    assert found.min() >= 0.0


def test_a_density_with_a_bound_is_not_calibrated():
    """A half normal: the gradient has the mean -0.8, since the density ends at its maximum."""
    draws = np.abs(independent(2, 1))
    assert np.array_equal(stein_weights(draws, -draws, EQUAL), EQUAL)


def test_wrong_gradients_are_not_used():
    draws = independent(3, 1)
    assert np.array_equal(stein_weights(draws, -0.8 * draws, EQUAL), EQUAL)
    assert not np.array_equal(stein_weights(draws, -draws, EQUAL), EQUAL)


@pytest.mark.parametrize(("dim", "functions"), [(10, 65), (20, 40), (60, 60), (80, None)])
def test_there_are_fewer_functions_in_more_dimensions(dim, functions):
    draws = independent(4, dim)
    found = stein_functions(draws, -draws, EQUAL)
    assert functions is None if found is None else found.shape[-1] == functions


def test_estimates_stay_unbiased():
    """Shares of a skewed density: log of a Gamma(2) variable, in 60 samples."""
    shares = []
    for seed in range(60):
        values = np.random.default_rng(seed).gamma(2.0, size=SHAPE)
        weights = stein_weights(np.log(values)[..., None], (2.0 - values)[..., None], EQUAL)
        shares.append([(weights * (values > 4.0)).sum(), (values > 4.0).mean()])
    exact = 5.0 * np.exp(-4.0)
    error = np.std(shares, axis=0)
    assert np.all(np.abs(np.mean(shares, axis=0) - exact) < 4.0 * error / np.sqrt(60))
    assert error[0] < 0.8 * error[1]


def test_the_tail_error_is_that_of_the_weighted_draws():
    """Regressions on y and y² explain 22.4 % and 30.3 % of the variance of the tail indicator."""
    draws = np.random.default_rng(5).standard_normal((4000, 5, 1))
    groups = np.zeros(4000, int)
    functions = np.concatenate([draws, draws**2 - 1.0], axis=-1)
    ratio = tail_error(draws, groups, functions) / tail_error(draws, groups)
    # A ratio of two standard deviations of 4,000 chains: its standard error is about 1 %.
    assert ratio == pytest.approx(np.sqrt(1.0 - 0.224 - 0.303), rel=0.05)
