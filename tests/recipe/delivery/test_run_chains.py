"""The number of HMC chains by memory and by the cost of a gradient."""

import pytest

from helpers.targets import make_target
from isogmm.draws.refine import Refine
from isogmm.mixtures.affine_map import MAX_DENSE_DIM
from isogmm.model.programs.size import MIN_BATCH_ROWS
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
