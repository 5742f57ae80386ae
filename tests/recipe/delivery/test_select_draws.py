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


def test_draws_outside_the_support_are_not_delivered():
    pool = pool_of(np.random.default_rng(1), DRAWS)
    pool.log_density[0, ::2] = -np.inf
    for draws in (DRAWS // 4, DRAWS // 2, DRAWS):
        selection = from_mixture(pool, pool.log_ratios, draws)
        assert selection.positions.shape == (1, draws, 2)
        assert np.isfinite(selection.log_density).all()


def test_every_component_has_its_share_of_the_draws():
    pool = pool_of(np.random.default_rng(1), DRAWS)
    pool.components[0, : DRAWS // 4] = 1
    selection = from_mixture(pool, pool.log_ratios, DRAWS // 5)
    assert np.bincount(selection.components[0]).tolist() == [DRAWS * 3 // 20, DRAWS // 20]
    index = np.flatnonzero(np.isin(pool.positions[0, :, 0], selection.positions[0, :, 0]))
    np.testing.assert_array_equal(selection.log_density[0], pool.log_density[0, index])
