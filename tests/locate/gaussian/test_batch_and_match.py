"""One update of batch and match: the equations of the paper, solved by other means."""

import numpy as np
import pytest

from helpers.targets import make_target
from isogmm.locate.gaussian.batch_and_match import (
    ELBO_WHEN_SHRUNK,
    batch_and_match_step,
    batch_size_for,
    damping,
)
from isogmm.locate.gaussian.elbo import antithetic_normal
from isogmm.locate.gaussian.gaussians import Gaussians

BATCH_SIZE = 40
SLOPES = np.array([[1.0, -0.4, 0.2], [0.3, 0.8, -0.5], [0.0, 0.6, 1.2], [1.0, 1.0, 1.0]])
OFFSETS = np.array([0.5, -1.0, 0.3, 2.0])


def smooth(points):
    """log π(x) = -Σ log cosh(a_i x - b_i), whose gradient is not linear."""
    inner = points @ SLOPES.T - OFFSETS
    return -np.logaddexp(inner, -inner).sum(axis=-1), -np.tanh(inner) @ SLOPES


def start(*, diagonal):
    means = np.array([[0.4, -0.3, 1.0], [2.0, 0.0, -1.0]])
    dense = np.array([[[1.0, 0, 0], [0.5, 0.7, 0], [-0.2, 0.1, 1.3]], np.diag([0.3, 1.0, 2.0])])
    factors = np.diagonal(dense, axis1=1, axis2=2).copy() if diagonal else dense
    return Gaussians.start(means, factors)


def moments(candidates, seed):
    """Means and covariances of the draws and their gradients, in coordinates of the candidate."""
    draws = antithetic_normal(np.random.default_rng(seed), 2, BATCH_SIZE, 3)
    _, gradients = smooth(candidates.forward(draws).reshape(-1, 3))
    gradients = candidates.pull_back(gradients.reshape(draws.shape))
    for each, gradient in zip(draws, gradients, strict=True):
        yield (
            each.mean(axis=0),
            gradient.mean(axis=0),
            np.cov(each.T, bias=True),
            np.cov(gradient.T, bias=True),
        )


@pytest.mark.parametrize("factor", [0.3, 10.0, 200.0])
@pytest.mark.parametrize("diagonal", [False, True])
def test_the_update_solves_the_equations_of_the_paper(diagonal, factor):
    before = start(diagonal=diagonal)
    target = make_target(smooth, 3)
    after = batch_and_match_step(target, before, np.random.default_rng(5), BATCH_SIZE, factor)
    weight = factor / (1.0 + factor)
    for index, (e, g, c, gamma) in enumerate(moments(before, 5)):
        factor_before = before.factors[index]
        root = np.diag(factor_before) if diagonal else factor_before
        u = factor * gamma + weight * np.outer(g, g)
        v = np.eye(3) + factor * c + weight * np.outer(e, e)
        if diagonal:
            u, v = np.diag(np.diag(u)), np.diag(np.diag(v))
        inverse = np.linalg.inv(root)
        sigma = inverse @ after.covariance(index) @ inverse.T
        # The positive definite solution is unique.
        np.testing.assert_allclose(sigma @ u @ sigma + sigma, v, rtol=1e-9, atol=1e-9 * v.max())
        assert np.linalg.eigvalsh(sigma).min() > 0
        shift = weight * (sigma @ g + e)
        np.testing.assert_allclose(after.means[index], before.means[index] + root @ shift)


def test_the_damping_follows_its_schedule():
    found = [damping(iteration, 64, 5) for iteration in (0, 3, 11, 12, 25, 26, 27, 35)]
    np.testing.assert_allclose(found, [320, 80, 320 / 12, 10, 10, 10, 5, 1])


@pytest.mark.parametrize(
    ("dim", "size"),
    [(2, 64), (40, 80), (500, 1000), (501, 128), (7_800, 128), (20_010, 48), (100_010, 32)],
)
def test_the_batch_follows_the_dimension(dim, size):
    assert batch_size_for(dim) == size


@pytest.mark.parametrize("diagonal", [False, True])
def test_a_candidate_mostly_outside_the_support_is_halved_in_place(diagonal):
    def half(points):
        values, gradients = smooth(points)
        return np.where(points[:, 0] > 0.9, values, -np.inf), gradients

    before = start(diagonal=diagonal)
    after = batch_and_match_step(
        make_target(half, 3), before, np.random.default_rng(5), BATCH_SIZE, 10.0
    )
    # About 30 % of the draws of the first candidate lie inside, nearly all of the second.
    np.testing.assert_array_equal(after.means[0], before.means[0])
    np.testing.assert_array_equal(after.factors[0], 0.5 * before.factors[0])
    assert after.elbo[0] == ELBO_WHEN_SHRUNK
    assert after.alive.all()
    assert after.elbo[1] > -1e3
    assert not np.allclose(after.means[1], before.means[1])
