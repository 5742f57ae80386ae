"""Estimated covariances of means against those of repeated samples."""

import numpy as np
import pytest

from isogmm.arrays import systematic_indices
from isogmm.draws.sampling_errors import Strata, of_chains, of_independent, of_stratified

REPETITIONS = 400
#: Weights of the components of two mixtures, some with less than one draw of 40.
WEIGHTS = np.array([[0.3, 0.21, 0.4, 0.05, 0.04], [0.02, 0.015, 0.5, 0.4, 0.065]])
NUM_DRAWS = 40
MEANS = np.random.default_rng(0).normal(size=(10, 2))


#: The same with two draws of each component at least, so that its mean is known.
LARGE_WEIGHTS = np.array([[0.3, 0.21, 0.31, 0.12, 0.06], [0.16, 0.08, 0.17, 0.49, 0.1]])


def stratified(seed, all_weights=WEIGHTS):
    """Values of draws in strata over the components, and the components."""
    generator = np.random.default_rng(seed)
    components = np.concatenate(
        [
            systematic_indices(weights, NUM_DRAWS, generator) + offset
            for weights, offset in zip(all_weights, (0, 5), strict=True)
        ]
    )
    noise = generator.standard_normal((len(components), 2)) @ np.array([[0.3, 0.2], [0.0, 0.2]])
    return MEANS[components] + noise, Strata(components, all_weights)


def check(estimates, means):
    """The mean estimate is the covariance of the means, which has a Wishart distribution."""
    expected, found = np.cov(np.transpose(means)), np.mean(estimates, axis=0)
    variances = np.diag(expected)
    errors = np.sqrt((np.outer(variances, variances) + expected**2) / len(means))
    assert np.all(np.abs(found - expected) < 4.0 * errors), (found, expected)


def test_independent_draws():
    values = np.random.default_rng(1).exponential(size=(REPETITIONS, 50, 2)).cumsum(axis=2)
    check([of_independent(part) * 50 / 49 for part in values], values.mean(axis=1))


def test_stratified_draws():
    """Small and random numbers of draws of a component count."""
    samples = [stratified(seed) for seed in range(REPETITIONS)]
    check([of_stratified(*sample) for sample in samples], [s[0].mean(axis=0) for s in samples])


def test_without_noise_rounding_is_the_only_error():
    samples = [stratified(seed, LARGE_WEIGHTS)[1] for seed in range(REPETITIONS)]
    values = [MEANS[strata.components] for strata in samples]
    estimates = [of_stratified(*pair) for pair in zip(values, samples, strict=True)]
    check(estimates, [part.mean(axis=0) for part in values])
    largest = np.abs(MEANS).max() / NUM_DRAWS
    assert np.sqrt(np.diagonal(estimates, axis1=1, axis2=2)).max() < largest


@pytest.mark.parametrize("num_visitors", [40, 8])
def test_chains(num_visitors):
    """Chains with correlated draws, of which some are in the region."""
    generator = np.random.default_rng(2)
    values = generator.normal(size=(REPETITIONS, num_visitors, 1)) + generator.normal(
        size=(REPETITIONS, num_visitors, 2)
    )
    residuals = (values - values.mean(axis=1, keepdims=True)) / num_visitors
    others = np.zeros((10, 2))
    check([of_chains(np.concatenate([part, others])) for part in residuals], values.mean(axis=1))


def test_a_residual_of_one_chain_counts_as_one_of_two():
    """The variance of one value is not known; m / (m - 1) is infinite for m = 1."""
    residuals = np.array([[0.3, 0.0], [0.0, 0.0], [0.0, 0.0]])
    np.testing.assert_allclose(of_chains(residuals), [[2.0 * 0.09, 0.0], [0.0, 0.0]], rtol=1e-12)
