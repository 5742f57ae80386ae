"""Bias of a recording from its autocorrelation: autoregressive chains, whose bias is known."""

import numpy as np
import pytest

from isogmm.draws.chains.remaining_bias import MAX_SHARE, MIN_LENGTH, remaining_bias

NUM_CHAINS, DIM, LENGTH = 4000, 8, 40


def autoregressive(start, *, correlation, age, length=LENGTH, seed=0):
    """Draws (m, t, d) of x' = c x + √(1 - c²) e after the transition number ``age``."""
    generator, values, draws = np.random.default_rng(seed), start, []
    for _ in range(age + length):
        noise = generator.standard_normal(start.shape)
        values = correlation * values + np.sqrt(1.0 - correlation**2) * noise
        draws.append(values)
    return np.stack(draws[age:], axis=1)


def normal(*, mean=0.0, sd=1.0, num_chains=NUM_CHAINS, dim=DIM, seed=1):
    return mean + sd * np.random.default_rng(seed).standard_normal((num_chains, dim))


def bias(start, draws, age):
    """The bias of chains in one mode."""
    return remaining_bias(start, draws, np.zeros(len(start), int), float(age))


def assert_agrees(found, exact):
    """The coordinates are independent repetitions, whose spread is the standard error."""
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert abs(found.mean() - exact) < 4 * error, (found.mean(), exact, error)
    # The bias is distinguished from zero: the test could fail.
    assert abs(exact) > 8 * error


@pytest.mark.parametrize("num_groups", [1, 2])
def test_bias_of_the_mean_is_exact(num_groups):
    correlation, shift, age = 0.97, 0.5, 20
    start = normal(mean=shift)
    draws = autoregressive(start, correlation=correlation, age=age)
    # Modes far apart, which the chains do not leave.
    groups = np.arange(NUM_CHAINS) % num_groups
    start, draws = start + 100.0 * groups[:, None], draws + 100.0 * groups[:, None, None]
    decay = (correlation ** np.arange(age + 1, age + LENGTH + 1)).mean()
    found = remaining_bias(start, draws, groups, float(age))
    assert_agrees(found.mean, shift * decay)
    assert np.all(found.largest() >= np.abs(found.mean))


def test_bias_of_the_spread_is_exact():
    correlation, sd, age = 0.98, 0.7, 20
    start = normal(sd=sd)
    draws = autoregressive(start, correlation=correlation, age=age)
    # Squares have the autocorrelation c² at lag 1.
    decay = (correlation ** (2 * np.arange(age + 1, age + LENGTH + 1))).mean()
    variance = 1.0 + (sd**2 - 1.0) * decay
    found = bias(start, draws, age)
    assert_agrees(found.log_sd, 0.5 * (1.0 - 1.0 / variance))


def test_chains_that_forget_at_once_have_no_bias():
    start = normal(mean=1.0, sd=0.2, num_chains=384, dim=100)
    draws = autoregressive(start, correlation=0.0, age=4)
    assert not bias(start, draws, 4).largest().any()


def test_slow_chains_that_start_in_the_posterior_have_no_bias():
    start = normal(num_chains=384, dim=100)
    draws = autoregressive(start, correlation=0.97, age=4)
    assert not bias(start, draws, 4).largest().any()


def test_a_longer_warm_up_leaves_less():
    start = normal(sd=0.3)
    found = [
        np.abs(bias(start, autoregressive(start, correlation=0.95, age=age), age).log_sd).mean()
        for age in (10, 20, 80)
    ]
    assert found[0] > 1.5 * found[1] > 0.0
    assert found[1] > 10.0 * found[2]


def test_chains_that_do_not_move_keep_the_largest_share():
    # Points that are wider than the starting points, and stay where they are.
    start, still = normal(sd=0.5), normal(seed=2)
    draws = np.repeat(still[:, None], LENGTH, axis=1)
    found = bias(start, draws, 10)
    difference = 0.25 - 1.0
    exact = 0.5 * MAX_SHARE / (1.0 - MAX_SHARE) * difference
    # Standard error of a variance ratio: √(2 / m) each.
    assert np.all(np.abs(found.log_sd / exact - 1.0) < 5 * np.sqrt(4 / NUM_CHAINS) / 0.75)


def test_heavy_tails_and_short_recordings_are_finite():
    draws = np.random.default_rng(3).standard_cauchy((384, 20, 3))
    start = 0.1 * draws[:, 0]
    assert np.isfinite(bias(start, draws, 8).largest()).all()
    short = draws[:, : MIN_LENGTH - 1]
    assert not bias(start, short, 8).largest().any()
    constant = np.zeros((384, 20, 2))
    assert not bias(constant[:, 0], constant, 8).largest().any()
