"""HMC chains that start from the draws of a mixture, each mode in proportion to its mass."""

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.agreement import Agreement
from isogmm.draws.importance import systematic, tempered
from isogmm.draws.pool import Pool
from isogmm.draws.refine import Refine, Refined, refine
from isogmm.mixtures.affine_map import MAX_DENSE_DIM, AffineMap
from isogmm.model.fit_target import FitTarget
from isogmm.model.programs.size import fills_cache
from isogmm.model.target import Target

#: Recorded positions of every chain that must fit into memory; fewer chains run otherwise.
MIN_RECORDED_POSITIONS = 20
#: Chains at least, whatever the memory.
MIN_CHAINS = 64
#: Chains, unless the user sets their number, of models with a costly gradient.
NUM_COSTLY_CHAINS = 128
#: Effective sample size of the tempered weights, as a share of the number of chains.
TEMPERED_ESS_PER_CHAIN = 0.4


def run_chains(
    target: FitTarget,
    affine_map: AffineMap,
    pool: Pool,
    pool_modes: Int[np.ndarray, " cn"],
    generator: np.random.Generator,
    settings: Refine,
    is_confirmed: Agreement | None,
) -> Refined | None:
    """Refine the draws of a pool; None where the chains confirm it.

    Parameters
    ----------
    target, affine_map
        The target, and the coordinates of the mixture.
    pool, pool_modes
        Draws of the mixture, and the mode of each.
    generator
        Source of all noise.
    settings
        Budgets.
    is_confirmed
        Compares the chains with the pool after their warm-up, or None.
    """
    chains, size, dim = pool.positions.shape
    per_chain = -(-num_chains(target, settings) // chains)
    weights = _starting_weights(pool, pool_modes, settings.num_chains)
    index = np.concatenate(
        [
            systematic(part, per_chain, generator) + chain * size
            for chain, part in enumerate(weights.reshape(chains, -1))
        ]
    )
    positions = pool.positions.reshape(-1, dim)[index]
    return refine(
        target, positions, pool_modes[index], affine_map, generator, settings, is_confirmed
    )


def num_chains(target: Target, settings: Refine) -> int:
    """The number of chains: fewer where memory or the cost of a gradient limits them."""
    affordable = max(settings.max_numbers // (MIN_RECORDED_POSITIONS * target.dim), MIN_CHAINS)
    is_default = settings.num_chains == Refine.num_chains
    if is_default and target.dim <= MAX_DENSE_DIM and fills_cache(target.batch_size):
        return NUM_COSTLY_CHAINS
    return min(settings.num_chains, affordable)


def _starting_weights(
    pool: Pool, pool_modes: Int[np.ndarray, " cn"], count: int
) -> Float[np.ndarray, " cn"]:
    """Tempered importance weights, with the masses of the modes of the full weights.

    Tempering alone would make the masses of the modes more equal.
    """
    ratios = pool.log_ratios
    finite = np.where(np.isfinite(ratios), ratios, -np.inf)
    weights, _ = tempered(finite, TEMPERED_ESS_PER_CHAIN * count)
    full = np.exp(ratios - ratios[np.isfinite(ratios)].max())
    for mode in np.unique(pool_modes):
        members = pool_modes == mode
        if weights[members].sum() > 0:
            weights[members] *= full[members].sum() / full.sum() / weights[members].sum()
    return weights
