"""Draws that are chosen by importance weights: no bias, and small errors."""

import numpy as np
import pytest
from scipy import stats

from isogmm.draws.pool import Pool
from isogmm.recipe.delivery.select_draws import by_weights, from_mixture

DRAWS, REPETITIONS = 200, 200


def pool_of(generator, size):
    """Draws of N(0, 2²) in the second coordinate, where the target is N(0, 1)."""
    levels = (np.arange(size) + generator.random(size)) / size
    tail = stats.norm(0.0, 2.0).ppf(generator.permutation(levels))
    positions = np.stack([generator.standard_normal(size), tail], axis=-1)[None]
    log_q = stats.norm(0.0, 2.0).logpdf(tail)[None]
    return Pool(positions, np.zeros((1, size), int), stats.norm.logpdf(tail)[None], log_q, log_q)


@pytest.mark.long
def test_chosen_draws_keep_the_balance_of_the_pool():
    generator = np.random.default_rng(0)
    squares = []
    for _ in range(REPETITIONS):
        pool = pool_of(generator, 4 * DRAWS)
        selection = by_weights(pool, pool.log_ratios, DRAWS, generator)
        assert len(np.unique(selection.positions[0, :, 1])) == DRAWS
        squares.append(float(np.mean(selection.positions[0, :, 1] ** 2)))
    # The mean of n independent squares has the standard error sqrt(2 / n).
    assert np.std(squares) < 0.3 * np.sqrt(2.0 / DRAWS)
    assert abs(np.mean(squares) - 1.0) < 4.0 * np.std(squares) / np.sqrt(REPETITIONS) + 1e-3


def test_the_order_of_chosen_draws_is_random():
    generator = np.random.default_rng(1)
    pool = pool_of(generator, 4 * DRAWS)
    tail = by_weights(pool, pool.log_ratios, DRAWS, generator).positions[0, :, 1]
    # Four standard errors of a rank correlation.
    assert abs(stats.spearmanr(tail, np.arange(DRAWS)).statistic) < 4.0 / np.sqrt(DRAWS)


def test_a_whole_pool_is_delivered_without_a_copy():
    """With 100,000 parameters a copy has 3.2 GB."""
    pool = pool_of(np.random.default_rng(1), DRAWS)
    whole = from_mixture(pool, pool.log_ratios, DRAWS)
    assert np.shares_memory(whole.positions, pool.positions)
    part = from_mixture(pool, pool.log_ratios, DRAWS // 2)
    assert part.positions.shape == (1, DRAWS // 2, 2)
