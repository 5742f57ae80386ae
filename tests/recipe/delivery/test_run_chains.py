"""The number of HMC chains, and their starting points."""

import numpy as np
import pytest

from helpers.targets import make_target
from isogmm.draws.pool import Pool
from isogmm.draws.refine import Refine
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, identity_map
from isogmm.model.programs.size import MIN_BATCH_ROWS
from isogmm.recipe.delivery import run_chains as module
from isogmm.recipe.delivery.run_chains import MIN_CHAINS, NUM_COSTLY_CHAINS, num_chains

COSTLY, CHEAP = MIN_BATCH_ROWS, 2 * MIN_BATCH_ROWS


@pytest.mark.parametrize(
    ("dim", "batch_size", "settings", "count"),
    [
        (20, CHEAP, Refine(), 384),
        (20, COSTLY, Refine(), NUM_COSTLY_CHAINS),
        (20, COSTLY, Refine(num_chains=300), 300),  # chosen by the user
        (MAX_DENSE_DIM + 1, COSTLY, Refine(), 384),
        (20_000, COSTLY, Refine(), 100),  # 20 positions of each are 40 million numbers
        (100_000, CHEAP, Refine(), MIN_CHAINS),
    ],
)
def test_memory_and_cost_limit_the_chains(dim, batch_size, settings, count):
    assert (
        num_chains(make_target(lambda x: (x.sum(axis=-1), x), dim, batch_size), settings) == count
    )


@pytest.mark.usefixtures("unchecked")
def test_chains_start_from_the_draws_of_all_fits(monkeypatch):
    """Each fit gives as many starting points, from its own draws and with their modes."""
    fits, size, dim = 4, 50, 2
    positions = np.arange(float(fits * size * dim)).reshape(fits, size, dim)
    zero = np.zeros((fits, size))
    modes = np.repeat([0, 1], fits * size // 2)
    monkeypatch.setattr(module, "refine", lambda target, *arguments: arguments)
    found, groups, *_ = module.run_chains(
        make_target(lambda x: (x.sum(axis=-1), x), dim, CHEAP),
        identity_map(dim),
        Pool(positions, zero.astype(int), zero, zero, zero),
        modes,
        np.random.default_rng(0),
        Refine(num_chains=80),
        None,
    )
    draws = found[:, 0].astype(int) // dim
    np.testing.assert_array_equal(found, positions.reshape(-1, dim)[draws])
    np.testing.assert_array_equal(groups, modes[draws])
    assert np.bincount(draws // size).tolist() == [20] * fits
    assert len(np.unique(draws)) == 80  # the weights are equal
