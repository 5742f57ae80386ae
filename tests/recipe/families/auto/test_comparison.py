"""Whether a mixture replaces another one, by the ratios log π - log q of draws of both."""

import numpy as np
import pytest

from isogmm.draws.pool import Pool
from isogmm.draws.weigh import weigh
from isogmm.recipe.families.auto.comparison import divergence, is_better


def pool_of(log_ratios):
    """A pool with these log π - log q."""
    zero = np.zeros(log_ratios.shape)
    return Pool(zero[..., None], zero.astype(int), log_ratios, zero, zero)


@pytest.mark.parametrize(("gain", "expected"), [(0.2, False), (0.4, True)])
def test_the_gain_must_exceed_its_noise(gain, expected):
    def pool(elbo):
        # 100 draws with a standard deviation of 1: a standard error of about 0.1.
        return pool_of(np.tile([elbo - 1.0, elbo + 1.0], (2, 25)))

    # Two standard errors of the difference: 0.28.
    assert is_better(pool(0.0), pool(gain)) is expected
    assert not is_better(pool(gain), pool(0.0))


def test_small_divergences_are_compared_without_the_noise_of_the_elbo():
    """log π - log q is N(-KL, 2 KL) if log q has a normal error, and E[w] = 1."""
    noise = np.random.default_rng(1).standard_normal((2, 2, 1000))
    before, after = (
        pool_of(np.sqrt(2.0 * kl) * z - kl) for kl, z in zip((2e-3, 1e-4), noise, strict=True)
    )
    value, error = divergence(before.log_ratios)
    assert abs(value - 2e-3) < 4.0 * error
    # The standard deviation of KL (z² - 1) is √2 KL.
    np.testing.assert_allclose(error, 2e-3 * np.sqrt(2.0 / 2000), rtol=0.2)
    assert is_better(before, after)
    assert not is_better(after, before)
    # What a mixture misses lowers the ELBO, and its weights do not show it.
    assert not is_better(before, pool_of(after.log_density - 0.05))


def test_weights_that_correct_the_draws_stay_reliable():
    even = pool_of(0.65 * np.random.default_rng(1).standard_normal((2, 2000)) - 0.5)
    # k is estimated from the largest 190 of the 4,000 weights; these have a tail with k = 0.73.
    heavy = np.zeros((2, 2000))
    heavy[0, :190] = -0.73 * np.log((np.arange(190) + 0.5) / 190)
    weights = [weigh(pool) for pool in (even, pool_of(heavy))]
    assert weights[0].relative_ess > 0.6
    assert weights[0].pareto_k < 0.7 < weights[1].pareto_k
    assert weights[1].relative_ess > 0.5 * weights[0].relative_ess
    assert not is_better(even, pool_of(heavy))


def test_weights_that_become_unreliable_are_no_gain():
    generator = np.random.default_rng(0)
    even = np.clip(generator.standard_normal((2, 500)), -2.0, 2.0)
    heavy = 10.0 + even
    heavy[0, :3] += [8.0, 9.0, 10.0]  # a few draws have almost all of the weight
    before, after = pool_of(even), pool_of(heavy)
    assert after.pooled_elbo()[0] > before.pooled_elbo()[0] + 5.0
    assert not is_better(before, after)
    assert is_better(pool_of(heavy - 12.0), after)  # where they were so before


def test_draws_outside_the_support_are_no_gain():
    inside = pool_of(np.array([[-1.0, 0.0, 0.0, 1.0]]))
    outside = pool_of(np.array([[-np.inf, 9.0, 9.0, 9.0]]))
    assert outside.pooled_elbo()[0] > inside.pooled_elbo()[0] + 5.0
    assert not is_better(inside, outside)
