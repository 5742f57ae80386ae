"""Which chains are tested for modes that the search has missed."""

import numpy as np

from isogmm.recipe.delivery.chain_modes import NUM_LEAST_EXPLAINED, NUM_OTHERS, chains_to_test


def test_the_chains_explained_least_and_others_at_all_ranks():
    log_ratios = np.random.default_rng(0).standard_normal(384)
    ranks = np.argsort(np.argsort(-log_ratios))[chains_to_test(log_ratios)]
    assert ranks[:NUM_LEAST_EXPLAINED].tolist() == list(range(NUM_LEAST_EXPLAINED))
    assert len(set(ranks)) == NUM_LEAST_EXPLAINED + NUM_OTHERS
    assert ranks.max() == 383
    assert np.diff(np.sort(ranks)).max() <= np.ceil(375 / (NUM_OTHERS - 1))


def test_few_chains_are_all_tested():
    assert sorted(chains_to_test(np.arange(5.0))) == [0, 1, 2, 3, 4]
