"""Importance weights: effective sample sizes, tempering, resampling."""

import numpy as np
import pytest

from isogmm.draws.importance import (
    MAX_POOL_SHORTAGE,
    MAX_SHORTAGE,
    chosen,
    effective_sample_size,
    pool_factor,
    shortage,
    systematic,
    tempered,
)


def test_effective_sample_size_of_known_weights():
    assert effective_sample_size(np.full(7, -300.0)) == pytest.approx(7.0)
    assert effective_sample_size(np.array([0.0, -np.inf, -np.inf])) == pytest.approx(1.0)
    assert effective_sample_size(np.log([3.0, 1.0])) == pytest.approx(16 / 10)


def test_tempering_leaves_good_weights_alone():
    log_ratios = np.random.default_rng(0).normal(scale=0.1, size=500)
    weights, power = tempered(log_ratios, 100.0)
    assert power == 1.0
    np.testing.assert_allclose(weights, np.exp(log_ratios) / np.exp(log_ratios).sum())


def test_tempering_keeps_the_effective_size_and_the_order():
    log_ratios = np.random.default_rng(1).normal(scale=5.0, size=500)
    log_ratios[::7] = -np.inf
    weights, power = tempered(log_ratios, 100.0)
    assert 0 < power < 1
    assert 1.0 / (weights**2).sum() >= 100.0
    assert weights.sum() == pytest.approx(1.0)
    assert np.all(weights[::7] == 0)
    finite = np.isfinite(log_ratios)
    np.testing.assert_array_equal(np.argsort(weights[finite]), np.argsort(log_ratios[finite]))


def test_systematic_counts_follow_the_weights_up_to_rounding():
    generator = np.random.default_rng(2)
    weights = generator.dirichlet(np.full(30, 0.3))
    counts = np.bincount(systematic(weights, 1000, generator), minlength=30)
    assert counts.sum() == 1000
    assert np.all(np.abs(counts - 1000 * weights) <= 1.0)


def test_a_large_pool_yields_distinct_draws_with_weight():
    generator = np.random.default_rng(3)
    log_weights = 0.3 * generator.normal(size=200)
    log_weights[:40] = -np.inf
    index = chosen(log_weights, 80, generator)
    assert len(set(index)) == 80
    assert min(index) >= 40


def test_a_large_pool_follows_the_weights():
    # One of two: the probability of the first is its weight.
    generator = np.random.default_rng(4)
    log_weights = np.log([0.2, 0.8])
    first = [chosen(log_weights, 1, generator)[0] == 0 for _ in range(4000)]
    assert abs(np.mean(first) - 0.2) < 5 * np.sqrt(0.2 * 0.8 / 4000)


def test_probabilities_are_proportional_to_the_weights():
    # The first is expected twice and always chosen; the others share the rest.
    generator = np.random.default_rng(4)
    weights = np.r_[2.0, np.linspace(0.2, 0.8, 299)]
    due = 150 * weights / weights.sum()
    assert due[0] > 1.9
    assert shortage(weights, 300 / 150) < MAX_SHORTAGE
    counts = np.zeros(300)
    for _ in range(4000):
        counts += np.bincount(chosen(np.log(weights), 150, generator), minlength=300)
    assert counts[0] == 4000
    chances = due[1:] * 149 / due[1:].sum()
    assert chances.max() < 1
    error = np.sqrt(chances * (1 - chances) / 4000)
    np.testing.assert_array_less(np.abs(counts[1:] / 4000 - chances), 5 * error)


def test_shortage_is_the_share_that_heavy_draws_would_miss():
    # Expected counts 2.4, 0.8, 0.8 and 0 of four: the first would miss 1.4 of them.
    weights = np.array([3.0, 1.0, 1.0, 0.0])
    assert shortage(weights, factor=1.0) == pytest.approx(1.4 / 4)
    assert shortage(weights, factor=2.4) == pytest.approx(0.0)


def test_a_small_pool_gives_heavy_draws_their_share():
    # Choosing every draw of the pool once would ignore the weights.
    generator = np.random.default_rng(5)
    log_weights = generator.normal(size=300)
    log_weights[:100] = -np.inf
    counts = np.bincount(chosen(log_weights, 300, generator), minlength=300)
    weights = np.exp(log_weights) / np.exp(log_weights).sum()
    assert np.all(np.abs(counts - 300 * weights) <= 1.0)


def test_a_pool_with_nearly_equal_weights_is_small_but_large_enough():
    log_weights = 0.1 * np.random.default_rng(6).normal(size=4000)
    factor = pool_factor(log_weights, are_nearly_equal=True)
    assert factor < 1.15 < pool_factor(log_weights)
    assert shortage(np.exp(log_weights), factor) <= MAX_POOL_SHORTAGE


def test_draws_that_may_repeat_follow_the_weights_without_bias():
    """The two draws of weight 1.5 are due 1.2 times each of 240 from a pool of 300."""
    generator = np.random.default_rng(7)
    weights = np.r_[1.5, 1.5, np.full(298, 297 / 298)]
    index = [chosen(np.log(weights), 240, generator, may_repeat=True) for _ in range(2000)]
    mean = np.mean([np.count_nonzero(draws == 0) for draws in index])
    assert abs(mean - 1.2) < 5 * np.sqrt(0.2 * 0.8 / 2000)
    index = [chosen(np.log(weights), 240, generator) for _ in range(50)]
    assert all(np.count_nonzero(draws == 0) == 1 for draws in index)
