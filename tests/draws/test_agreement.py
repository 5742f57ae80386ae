"""Chains agree with weighted draws unless location, spread or a tail differs beyond the noise."""

import numpy as np
import pytest
from scipy.special import ndtri

from isogmm.draws.agreement import Agreement
from isogmm.draws.pool import Pool

NUM_DRAWS, NUM_CHAINS = 4000, 384
#: Limit in standard errors for one coordinate.
LIMIT = np.sqrt(2 * np.log(4)) + 0.5
ERROR = np.sqrt(1 / NUM_CHAINS + 1 / NUM_DRAWS)


def grid(count):
    """Quantiles of the standard normal distribution, without Monte Carlo error."""
    return ndtri((np.arange(count) + 0.5) / count)


def agreement():
    points = grid(NUM_DRAWS)[None, :, None]
    nothing = np.zeros((1, NUM_DRAWS))
    pool = Pool(points, nothing.astype(int), nothing, nothing, nothing)
    return Agreement(pool, np.full(NUM_DRAWS, -np.log(NUM_DRAWS)))


@pytest.mark.parametrize(("share", "agrees"), [(0.97, True), (1.03, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_shift_counts_beyond_its_monte_carlo_error(share, agrees, sign):
    chains = grid(NUM_CHAINS) + sign * share * LIMIT * ERROR
    assert agreement()(chains[:, None]) is agrees


@pytest.mark.parametrize(("share", "agrees"), [(0.9, True), (1.15, False)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_spread_counts_beyond_its_monte_carlo_error(share, agrees, sign):
    mean_absolute = np.abs(grid(NUM_DRAWS)).mean()
    chains = grid(NUM_CHAINS) * (1 + sign * share * LIMIT * ERROR / mean_absolute)
    assert agreement()(chains[:, None]) is agrees


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_tail_counts_beyond_its_monte_carlo_error(sign):
    chains = grid(NUM_CHAINS)
    max_share = 0.01 + LIMIT * np.sqrt(0.01 / NUM_CHAINS)
    allowed = int(np.ceil(max_share * NUM_CHAINS)) - 1
    for count, agrees in ((allowed, True), (allowed + 1, False)):
        moved = sign * np.sort(sign * chains)
        # Just beyond the 1 % quantile, where the mean and the spread hardly change.
        moved[-count:] = sign * np.maximum(sign * moved[-count:], 2.4)
        assert agreement()(moved[:, None]) is agrees


def test_the_weights_of_the_draws_count():
    points = grid(NUM_DRAWS)
    log_weights = 0.5 * points  # N(0, 1) becomes N(1/2, 1)
    log_weights -= np.log(np.exp(log_weights).sum())
    nothing = np.zeros((1, NUM_DRAWS))
    pool = Pool(points[None, :, None], nothing.astype(int), nothing, nothing, nothing)
    assert Agreement(pool, log_weights)(grid(NUM_CHAINS)[:, None] + 0.5) is True
    assert Agreement(pool, log_weights)(grid(NUM_CHAINS)[:, None]) is False


def test_one_coordinate_of_several_is_enough():
    pool = Pool(
        np.stack([grid(NUM_DRAWS)] * 3, axis=-1)[None],
        np.zeros((1, NUM_DRAWS), int),
        *np.zeros((3, 1, NUM_DRAWS)),
    )
    found = Agreement(pool, np.full(NUM_DRAWS, -np.log(NUM_DRAWS)))
    chains = np.stack([grid(NUM_CHAINS)] * 3, axis=-1)
    assert found(chains) is True
    chains[:, 1] += 1.0
    assert found(chains) is False
