"""The search after a fit: what it finds, and what it costs."""

import numpy as np
import pytest

from helpers.targets import isotropic_mixture
from isogmm.locate.factors import map_of
from isogmm.locate.last_screening import GROUP_SIZE, screen_again
from isogmm.locate.maxima import LocalMaximum
from isogmm.locate.paths import evaluation_limit
from isogmm.model.fit_target import FitTarget

pytestmark = pytest.mark.usefixtures("unchecked")


def first_mode(dim):
    """The maximum at the origin and the coordinates of its draws."""
    maximum = LocalMaximum(np.zeros(dim), np.eye(dim), -0.919 * dim - 0.7, -0.7)
    return [maximum], [map_of(np.zeros(dim), np.eye(dim))]


def test_a_narrow_mode_beside_the_known_one_is_found():
    means = np.array([[0.0, 0.0, 0.0], [8.0, 0.0, 0.0]])
    target = FitTarget.of(isotropic_mixture(means, np.array([1.0, 0.3])).target())
    last = screen_again(target, np.random.default_rng(0), *first_mode(3), 2_000)
    (new,) = last.maxima
    np.testing.assert_allclose(new.position, means[1], atol=0.01)
    assert last.num_points == 600
    assert last.num_paths > 0


def test_draws_of_the_prior_reach_a_mode_that_no_point_around_the_draws_reaches():
    means = np.array([[0.0, 0.0], [1e5, 1e5]])
    target = FitTarget.of(isotropic_mixture(means, np.ones(2)).target())
    without = screen_again(target, np.random.default_rng(0), *first_mode(2), 2_000)
    assert without.maxima == []
    target.prior_positions = lambda generator, n: generator.uniform(99_000, 101_000, (n, 2))
    (new,) = screen_again(target, np.random.default_rng(0), *first_mode(2), 2_000).maxima
    np.testing.assert_allclose(new.position, means[1], atol=0.01)


@pytest.mark.parametrize("num_gradients", [0, 500, 5_000])
def test_the_cost_is_bounded(num_gradients):
    """The last group of paths may exceed the limit; it has sixteen paths."""
    dim = 8
    target = FitTarget.of(isotropic_mixture(np.zeros((1, dim)), np.ones(1)).target())
    known, maps = first_mode(dim)
    last = screen_again(target, np.random.default_rng(0), known, maps * 3, num_gradients)
    assert last.maxima == []
    excess = target.num_gradient_evaluations - num_gradients
    assert excess <= GROUP_SIZE * evaluation_limit(dim)
    assert target.num_gradient_evaluations >= 0.5 * num_gradients
