"""Correlation with the starting points, drift within a recording, errors of the tails."""

import numpy as np

from isogmm.draws.chains.convergence import (
    MAX_DISTANCE_SD,
    MAX_TO_MEAN_TAIL_ERROR,
    drift,
    has_spread,
    independence_threshold,
    log_sd_error,
    start_correlation,
    tail_error,
    without_group_means,
)

ONE = np.zeros(400, dtype=int)


def test_chains_that_do_not_move_have_correlation_one():
    start = np.random.default_rng(0).normal(size=(400, 3))
    np.testing.assert_allclose(start_correlation(start, start, ONE), 1.0)


def test_independent_positions_are_below_the_threshold():
    generator = np.random.default_rng(1)
    start, now = generator.normal(size=(2, 400, 20))
    assert start_correlation(start, now, ONE).max() < independence_threshold(400, 20)


def test_spread_beyond_the_starting_points_is_noticed():
    generator = np.random.default_rng(3)
    for dim in (2, 500):
        start, now = generator.standard_t(2.0, size=(2, 384, dim))  # infinite variance
        assert not has_spread(start, now)
        now[:, 1] *= 3.0
        assert has_spread(start, now)


def test_correlation_of_a_coordinate_is_estimated():
    generator = np.random.default_rng(2)
    start, noise = generator.normal(size=(2, 400, 1))
    found = start_correlation(start, 0.6 * start + 0.8 * noise, ONE)
    # Standard error of a correlation: (1 - r²) / sqrt(m).
    assert abs(found[0] - 0.6) < 5 * (1 - 0.36) / 20


def test_a_correlated_spread_counts():
    # The sign is independent of the starting point, the distance to the center is not.
    generator = np.random.default_rng(3)
    start = generator.normal(size=(400, 1))
    now = start * generator.choice([-1.0, 1.0], size=(400, 1))
    assert abs(np.corrcoef(start[:, 0], now[:, 0])[0, 1]) < 5 / 20
    assert start_correlation(start, now, ONE)[0] > 0.9


def test_correlation_is_measured_within_modes():
    generator = np.random.default_rng(4)
    groups = np.repeat([0, 1], 200)
    start, now = generator.normal(size=(2, 400, 2)) + 100.0 * groups[:, None]
    assert start_correlation(start, now, groups).max() < independence_threshold(400, 2)
    assert start_correlation(start, now, ONE).max() > 0.9
    centered = without_group_means(start, groups)
    for group in (0, 1):
        np.testing.assert_allclose(centered[groups == group].mean(axis=0), 0.0, atol=1e-12)


def test_the_threshold_grows_with_the_number_of_coordinates():
    assert independence_threshold(400, 2) == 0.15
    assert independence_threshold(400, 1000) > 0.15
    assert independence_threshold(50, 10) > independence_threshold(400, 10)


def test_stationary_chains_do_not_drift():
    draws = np.random.default_rng(5).normal(size=(300, 40, 70))
    found = drift(draws)
    assert found.location.shape == found.spread_se.shape == (70,)
    assert not found.is_significant(0.0)
    # Known error: the difference of two means of 20 independent draws, over 300 chains.
    np.testing.assert_allclose(found.location_se, np.sqrt(2 / 20 / 300), rtol=0.25)


def test_a_shift_between_the_halves_is_seen():
    draws = np.random.default_rng(6).normal(size=(300, 40, 5))
    draws[:, 20:, 3] += 0.3
    found = drift(draws)
    assert found.is_significant(0.05)
    assert not found.is_significant(0.5)
    sd = np.sqrt(1 + 0.15**2)
    assert abs(found.location[3] - 0.3 / sd) < 5 * found.location_se[3]
    assert np.abs(found.location).argmax() == 3


def test_a_change_of_spread_is_seen():
    draws = np.random.default_rng(7).normal(size=(300, 40, 5))
    draws[:, 20:, 1] *= 1.5
    found = drift(draws)
    assert found.is_significant(0.05)
    assert np.abs(found.spread).argmax() == 1
    assert abs(found.location[1]) < 5 * found.location_se[1]


def test_tail_error_is_that_of_the_share_beyond_a_quantile():
    generator = np.random.default_rng(8)
    draws = generator.standard_normal((400, 10, 20))
    expected = np.sqrt(0.05 * 0.95 / 4000) / 0.103
    # The larger of two sides; the sd over 400 chains has a relative error of 3.5 %.
    assert expected < tail_error(draws, np.zeros(400, int)) < 1.1 * expected
    # Chains that do not move are worth one draw each.
    still = np.repeat(draws[:, :1], 10, axis=1)
    found = tail_error(still, np.zeros(400, int))
    assert np.sqrt(10) * expected < found < 1.1 * np.sqrt(10) * expected


def test_tail_error_does_not_count_modes_that_chains_never_leave():
    generator = np.random.default_rng(9)
    groups = np.repeat([0, 1], 200)
    draws = generator.standard_normal((400, 10, 20)) + 100.0 * groups[:, None, None]
    # A tail of 5 % of the whole is a tenth of one mode.
    expected = np.sqrt(0.5 * 0.1 * 0.9 / 4000) / 0.103
    assert 0.95 * expected < tail_error(draws, groups) < 1.1 * expected
    assert tail_error(draws, np.zeros(400, int)) > 1.1 * expected


def test_one_slow_coordinate_among_many_is_detected():
    generator = np.random.default_rng(8)
    draws = generator.normal(size=(400, 20, 30))
    quick = tail_error(draws, ONE)
    # All draws of a chain have the same value of that coordinate.
    draws[:, :, 7] = generator.normal(size=(400, 1))
    slow = np.sqrt(0.05 * 0.95 / 400) / 0.103
    found = tail_error(draws, ONE)
    # Standard error of a standard deviation over 400 chains: 1 / sqrt(2 * 400), and more for a
    # share of 5 %, whose fourth moment is large: (1 / 0.05 - 4) / 4 in place of 1 / 2.
    assert (
        abs(found - slow / MAX_TO_MEAN_TAIL_ERROR)
        < 5 * 2.0 / np.sqrt(400) * slow / MAX_TO_MEAN_TAIL_ERROR
    )
    assert found > 2 * quick


def test_error_of_a_log_sd_is_that_of_independent_draws():
    generator = np.random.default_rng(10)
    draws = generator.standard_normal((400, 10, 20))
    found = log_sd_error(draws, ONE)
    assert found.shape == (20,)
    # The variance of n normal draws has a relative error of √(2 / n); the sd over 400 chains has
    # one of 1 / √(2 * 400), more for the sixth part of a chi-squared distribution.
    np.testing.assert_allclose(found, 0.5 * np.sqrt(2 / 4000), rtol=0.25)
    # Chains that do not move are worth one draw each.
    still = np.repeat(draws[:, :1], 10, axis=1)
    assert abs(log_sd_error(still, ONE).mean() / (np.sqrt(10) * found.mean()) - 1.0) < 0.1


def test_error_of_a_log_sd_within_modes_and_with_heavy_tails():
    generator = np.random.default_rng(11)
    groups = np.repeat([0, 1], 200)
    draws = generator.standard_normal((400, 10, 5))
    apart = draws + 100.0 * groups[:, None, None]
    np.testing.assert_allclose(log_sd_error(apart, groups), log_sd_error(draws, groups), rtol=1e-6)
    # A square is at most 25 variances: the largest error of n draws is 25 / 2 / √n / 2.
    heavy = generator.standard_cauchy((400, 10, 5))
    assert np.all(log_sd_error(heavy, ONE) < MAX_DISTANCE_SD**2 / 4 / np.sqrt(400))
