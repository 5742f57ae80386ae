"""Balanced draws: each has the distribution of the mixture, and averages have smaller errors."""

import numpy as np
import pytest
from scipy import stats

from isogmm.mixtures.balanced_noise import balanced_noise
from isogmm.mixtures.isotropic import IsotropicMixture

REPETITIONS, DRAWS = 200, 100


def mixture(dim):
    """Three components of unequal weights and variances on the first axis."""
    means = np.zeros((3, dim))
    means[:, 0] = [-3.0, 0.0, 4.0]
    return IsotropicMixture(means, np.array([0.25, 1.0, 4.0]), np.log([0.2, 0.5, 0.3]))


def cdf(x):
    """Distribution function of the first coordinate."""
    parts = stats.norm([-3.0, 0.0, 4.0], [0.5, 1.0, 2.0]).cdf(np.asarray(x)[..., None])
    return parts @ [0.2, 0.5, 0.3]


def samples(dim, *, is_balanced):
    return np.stack(
        [
            mixture(dim).sample(seed, DRAWS, is_balanced=is_balanced)[0]
            for seed in range(REPETITIONS)
        ]
    )


@pytest.mark.long
@pytest.mark.parametrize("dim", [1, 2, 20, 64])
def test_every_draw_has_the_distribution_of_the_mixture(dim):
    """One draw of each sample: these are independent."""
    draws = samples(dim, is_balanced=True)
    for place in (0, DRAWS - 1):
        assert stats.kstest(cdf(draws[:, place, 0]), "uniform").pvalue > 1e-3
        if dim > 1:
            assert stats.kstest(draws[:, place, 1], mixture_cdf_of_the_rest).pvalue > 1e-3


def mixture_cdf_of_the_rest(x):
    parts = stats.norm(0.0, [0.5, 1.0, 2.0]).cdf(np.asarray(x)[..., None])
    return parts @ [0.2, 0.5, 0.3]


@pytest.mark.parametrize("dim", [1, 2, 20])
def test_averages_have_smaller_errors(dim):
    """Independent uniform numbers have a mean with an sd of 1 / sqrt(12 n)."""
    independent = np.sqrt(1.0 / (12.0 * DRAWS))
    errors = cdf(samples(dim, is_balanced=True)[..., 0]).mean(axis=1) - 0.5
    # The sd of 200 errors has a relative standard error of 5 %; the mean one of sd / sqrt(200).
    assert errors.std() < 0.25 * independent
    assert abs(errors.mean()) < 4.0 * errors.std() / np.sqrt(REPETITIONS)


def test_the_order_carries_no_information():
    draws = cdf(samples(1, is_balanced=True)[..., 0]) - 0.5
    neighbors = (draws[:, 1:] * draws[:, :-1]).mean() * 12.0
    # Correlations of permuted numbers: -1 / n, with a standard error of 1 / sqrt(repetitions n).
    assert abs(neighbors) < 1.0 / DRAWS + 4.0 / np.sqrt(REPETITIONS * DRAWS)


def test_components_keep_their_shares():
    weights = np.array([0.2, 0.5, 0.3])
    for is_balanced in (True, False):
        _, components = mixture(2).sample(3, 97, is_balanced=is_balanced)
        assert np.all(np.abs(np.bincount(components) - 97 * weights) < 1.0)


def test_a_seed_determines_the_draws_of_all_chains():
    chains = IsotropicMixture(np.zeros((2, 1, 3)), np.ones((2, 1)), np.zeros((2, 1)))
    first, _ = chains.sample(7, 50, is_balanced=True)
    again, _ = chains.sample(7, 50, is_balanced=True)
    np.testing.assert_array_equal(first, again)
    assert not np.any(first[0] == first[1])


@pytest.mark.parametrize("num_draws", [1, 2, 3, 1000])
def test_any_number_of_draws(num_draws):
    levels, noise = balanced_noise(np.random.default_rng(0), num_draws, 3)
    assert levels.shape == (num_draws,)
    assert noise.shape == (num_draws, 3)
    assert np.isfinite(noise).all()


def test_high_dimensions_have_independent_draws():
    wide = IsotropicMixture(np.zeros((1, 65)), np.ones(1), np.zeros(1))
    balanced, _ = wide.sample(7, 50, is_balanced=True)
    independent, _ = wide.sample(7, 50)
    np.testing.assert_array_equal(balanced, independent)
