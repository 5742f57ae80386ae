"""Factorized mixtures: density, score, draws and moments against SciPy."""

import numpy as np
import pytest
from scipy import stats

from helpers.tolerances import assert_close, assert_within_error, standard_error
from isogmm.errors import OptionError
from isogmm.mixtures.factorized import FactorizedMixture


def some_mixture(generator, k, d, dtype=np.float64):
    means = generator.normal(size=(k, d)).astype(dtype)
    return FactorizedMixture(means, generator.uniform(0.3, 1.5, (k, d)).astype(dtype))


def coordinate_density(x, means, variances):
    """One coordinate of the family, written with SciPy."""
    return stats.norm.pdf(np.asarray(x)[..., None], means, np.sqrt(variances)).mean(-1)


def test_density_is_a_product_of_univariate_mixtures():
    generator = np.random.default_rng(0)
    mixture = some_mixture(generator, 4, 5)
    points = generator.normal(size=(7, 5))
    expected = [
        sum(
            np.log(coordinate_density(x[j], mixture.means[:, j], mixture.variances[:, j]))
            for j in range(5)
        )
        for x in points
    ]
    assert_close(mixture.log_prob(points), expected)


def test_score_is_the_gradient_of_the_density():
    generator = np.random.default_rng(1)
    mixture = some_mixture(generator, 3, 4)
    point, step = generator.normal(size=4), 1e-5
    shifts = step * np.eye(4)
    differences = mixture.log_prob(point + shifts) - mixture.log_prob(point - shifts)
    np.testing.assert_allclose(mixture.score(point), differences / (2 * step), atol=1e-8)


def test_far_points_stay_finite():
    mixture = FactorizedMixture(np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32))
    point = np.full((1, 3), 1e4, np.float32)
    assert np.isfinite(mixture.log_prob(point)).all()
    np.testing.assert_allclose(mixture.score(point), -point, rtol=1e-6)


def test_draws_have_the_moments_of_the_family():
    generator = np.random.default_rng(2)
    mixture = some_mixture(generator, 3, 6)
    draws = mixture.sample(generator, 20_000)
    assert_within_error(draws.mean(0), mixture.mean(), standard_error(draws))
    squares = (draws - mixture.mean()) ** 2
    assert_within_error(squares.mean(0), mixture.variance(), standard_error(squares))


@pytest.mark.parametrize(
    ("means", "variances"),
    [(np.zeros(3), np.ones(3)), (np.zeros((2, 3)), np.ones((2, 2))), (np.zeros((1, 2)),) * 2],
)
def test_shapes_that_do_not_agree_are_rejected(means, variances):
    with pytest.raises((OptionError, TypeError, Exception), match=r"means|variances|positive"):
        FactorizedMixture(means, variances)
