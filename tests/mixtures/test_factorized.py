"""Factorized mixtures: density, score, draws and moments against SciPy."""

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from helpers.tolerances import assert_close, assert_within_error, standard_error
from isogmm.errors import OptionError
from isogmm.mixtures import factorized
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


def test_the_sum_over_many_coordinates_is_in_double_precision():
    """Numbers near 70,000 have two digits after the point in single precision."""
    dim = 200_000
    mixture = FactorizedMixture(np.zeros((1, dim), np.float32), np.full((1, dim), 2.0, np.float32))
    log_sd = np.float64(np.float32(0.5) * np.log(np.float32(2.0)))
    expected = -dim * (log_sd + 0.5 * np.log(2 * np.pi))
    np.testing.assert_allclose(
        mixture.log_prob(np.zeros(dim, np.float32)), expected, rtol=0, atol=1e-6
    )


@pytest.mark.usefixtures("unchecked")
def test_every_chain_of_a_result_has_its_own_mixture(monkeypatch):
    means, axes = np.arange(12.0).reshape(2, 3, 2), ("chain", "component", "coordinate")
    fit = xr.Dataset(
        {"means": (axes, means), "variances": (axes, means + 1.0)}, attrs={"family": "factorized"}
    )
    monkeypatch.setattr(factorized, "get_group", lambda idata, name: fit)
    for chain in range(2):
        mixture = FactorizedMixture.from_idata(None, chain)
        np.testing.assert_array_equal(mixture.means, means[chain])
        np.testing.assert_array_equal(mixture.variances, means[chain] + 1.0)
