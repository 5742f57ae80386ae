"""Starting points, covariances and shares of the modes of a fit, without a fit."""

import numpy as np
import pytest

from isogmm.mixtures.gaussian import GaussianMixture
from isogmm.samplers.blackjax_nuts import NutsRun
from isogmm.samplers.modes import PRIOR_DRAWS_PER_DIM, Mode, _covariance, shares

pytestmark = pytest.mark.usefixtures("unchecked")

GENERATOR = np.random.default_rng(0)


def test_starting_points_follow_the_weights():
    draws = np.arange(8.0)[:, None]
    weights = np.array([0.0, 3.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    mode = Mode(0, 1.0, draws, weights, np.eye(1))
    starts = mode.starting_points(40, GENERATOR).ravel()
    assert [(starts == value).sum() for value in (1.0, 4.0)] == [30, 10]


def test_the_covariance_is_that_of_weighted_draws_and_of_the_components_of_the_mode():
    means = np.array([[0.0, 0.0], [50.0, 0.0]])
    covariances = np.array([np.diag([4.0, 9.0]), np.eye(2)])
    mixture = GaussianMixture(means, covariances, np.log([0.1, 0.9]))
    draws, weights = GENERATOR.normal(size=(30, 2)), GENERATOR.random(30)
    mean = weights @ draws / weights.sum()
    empirical = (weights * (draws - mean).T) @ (draws - mean) / weights.sum()
    share = 30 / (30 + 2 * PRIOR_DRAWS_PER_DIM)
    found = _covariance(mixture, np.array([True, False]), draws, weights)
    np.testing.assert_allclose(found, share * empirical + (1 - share) * covariances[0], rtol=1e-12)


def test_the_remainder_belongs_to_the_largest_fractions():
    assert shares(np.array([0.26, 0.37, 0.37]), 10).tolist() == [2, 4, 4]
    assert shares(np.array([0.55, 0.45]), 3).tolist() == [2, 1]


def test_gradients_of_the_warm_up_are_counted():
    statistics = {"n_steps": np.array([[1, 2, 3], [4, 5, 6]])}
    assert NutsRun(np.zeros((2, 3, 1)), statistics, 100).num_gradients == 121
