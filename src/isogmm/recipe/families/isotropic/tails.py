"""Components in the tails that a mixture misses, for fits that only importance weights correct."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from isogmm.draws.pool import Pool, draw_pool
from isogmm.draws.weigh import SmoothedWeights, weigh
from isogmm.mixtures.isotropic import IsotropicMixture
from isogmm.model.fit_target import FitTarget
from isogmm.recipe.families.isotropic.probe import Probe, probe
from isogmm.recipe.thresholds import (
    FLAT_RELATIVE_ESS,
    MAX_MISSED_SHARE,
    MAX_REWEIGHT_K,
    MIN_REWEIGHT_RELATIVE_ESS,
)

#: Rounds at most, and components that each chain adds in a round.
MAX_ROUNDS, NUM_NEW = 16, 2
#: Weight of a new component: with 32 of them half of the mass stays in the fitted mixture.
NEW_WEIGHT = 0.02
#: Draws nearest to a new component that determine its variance, and its smallest value in the
#: coordinates of the fit, where draws repeat.
NUM_NEIGHBORS, MIN_VARIANCE = 20, 1e-12


class Covered(NamedTuple):
    """A mixture with fresh draws, and the share of the chain positions that it misses."""

    mixture: IsotropicMixture
    pool: Pool
    missed_share: float


def cover_tails(
    target: FitTarget,
    mixture: IsotropicMixture,
    pool: Pool,
    generator: np.random.Generator,
) -> Covered:
    """Add components where the mixture misses mass, until its importance weights are reliable.

    A mixture that minimizes KL(q‖π) is too narrow in the tails.  Each chain of the fit adds
    components at draws with the largest weights, and at positions of random-walk chains that leave
    the mixture.  Fresh draws and further random walks judge the result.

    Parameters
    ----------
    target, mixture, pool, generator
        The target, the mixture of every chain with draws of it, and the source of fresh draws.

    Returns
    -------
    Covered
        The mixture and its draws; the arguments if their weights are reliable already.

    References
    ----------
    Raftery, Bao (2010). Estimating and projecting trends in HIV/AIDS generalized epidemics using
    incremental mixture importance sampling. Biometrics 66.
    """
    num_draws, found = pool.positions.shape[1], None
    for _ in range(MAX_ROUNDS):
        if not np.isfinite(pool.log_ratios).any():
            return Covered(mixture, pool, 0.0)
        weights = weigh(pool)
        found = probe(target, mixture, pool, weights, generator)
        if found.missed_share <= MAX_MISSED_SHARE and _is_reliable(weights):
            break
        mixture = _with_new_components(mixture, pool, found, generator)
        pool = draw_pool(target, mixture, generator, num_draws)
    return Covered(mixture, pool, 0.0 if found is None else found.missed_share)


def _is_reliable(weights: SmoothedWeights) -> bool:
    """Whether weights alone correct the draws."""
    if weights.relative_ess > FLAT_RELATIVE_ESS:
        return True
    is_even = weights.relative_ess > MIN_REWEIGHT_RELATIVE_ESS
    return weights.pareto_k < MAX_REWEIGHT_K and is_even


def _with_new_components(
    mixture: IsotropicMixture, pool: Pool, found: Probe, generator: np.random.Generator
) -> IsotropicMixture:
    """The mixture of every chain with new components, all with the same weight."""
    ratios = pool.log_density - pool.log_q_pooled
    ratios = np.where(np.isfinite(ratios), ratios, -np.inf)
    chains, dim = len(ratios), mixture.dim
    missed = generator.permutation(np.flatnonzero(found.missed))
    all_points = mixture.affine_map.inverse(pool.positions.reshape(-1, dim))
    all_points = np.concatenate([all_points, found.positions])
    means = np.empty((chains, NUM_NEW, dim))
    for chain in range(chains):
        # Half of the new components where random walks left the mixture, if they did.
        outside = found.positions[missed[chain::chains][: NUM_NEW // 2]]
        points = mixture.affine_map.inverse(pool.positions[chain])
        heaviest = np.argsort(-ratios[chain])[: NUM_NEW - len(outside)]
        means[chain] = np.concatenate([outside, points[heaviest]])
    variances = np.array([[_variance(all_points, mean) for mean in own] for own in means])
    old = mixture.log_weights + np.log1p(-NUM_NEW * NEW_WEIGHT)
    return replace(
        mixture,
        means=np.concatenate([mixture.means, means], axis=1),
        variances=np.concatenate([mixture.variances, variances], axis=1),
        log_weights=np.concatenate([old, np.full((chains, NUM_NEW), np.log(NEW_WEIGHT))], axis=1),
    )


def _variance(points: Float[np.ndarray, "n d"], mean: Float[np.ndarray, " d"]) -> float:
    """Mean square distance, for each coordinate, of the draws and chain ends nearest to a point."""
    squares = ((points - mean) ** 2).sum(axis=1)
    nearest = np.sort(squares)[1 : NUM_NEIGHBORS + 1]
    return max(float(nearest.mean()) / points.shape[1], MIN_VARIANCE)
