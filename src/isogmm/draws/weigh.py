"""Pareto smoothed importance weights of a pool of draws, and what they say about it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.draws.pool import Pool
from isogmm.results.arviz.versions import psis


@dataclass(frozen=True)
class SmoothedWeights:
    """The importance weights of a pool.

    Parameters
    ----------
    log_weights
        (c n,): smoothed, normalized over all chains.
    pareto_k
        Shape of the tail of the importance ratios.
    relative_ess
        Effective sample size of the unsmoothed ratios divided by the number of draws.
    """

    log_weights: Float[np.ndarray, " cn"]
    pareto_k: float
    relative_ess: float


def weigh(pool: Pool) -> SmoothedWeights:
    """Smooth the importance ratios of a pool (Vehtari et al. 2024, arXiv 1507.02646)."""
    evaluated = pool.is_evaluated
    if not evaluated.any():
        evaluated = np.ones_like(evaluated)  # equal weights and an infinite k
    ratios = pool.log_ratios[evaluated]
    log_weights = np.full(evaluated.shape, -np.inf)
    log_weights[evaluated], pareto_k = psis(np.where(np.isfinite(ratios), ratios, -np.inf))
    return SmoothedWeights(log_weights, pareto_k, pool.importance_ess() / len(ratios))
