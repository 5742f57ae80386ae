"""Importance weights: effective sample size, tempering, and resampling."""

import numpy as np
from jaxtyping import Float, Int

from isogmm.arrays import systematic_indices

#: Largest share of the draws that may be missing if no draw of the pool is chosen twice.
MAX_SHORTAGE = 0.02
#: The same share in a pool that is large enough.
MAX_POOL_SHORTAGE = 0.005
#: Bounds of the size of a pool, as a multiple of the draws, and the factor of its growth.
MIN_POOL_FACTOR, MAX_POOL_FACTOR, POOL_GROWTH = 1.25, 10.0, 1.1
#: Smallest size, and factor of the growth, of a pool with weights that are nearly equal.  With a
#: relative ESS of 99 % the pool becomes 1.13 times as large as the draws, and 0.5 % of the draws
#: repeat.  Without repetitions the 95 % quantile of an exponential variable was biased by 0.06 sds.
MIN_FLAT_POOL_FACTOR, FLAT_POOL_GROWTH = 1.02, 1.01
#: Factor by which the power of the weights is lowered, and its lower bound.
TEMPERING_FACTOR, MIN_POWER = 0.8, 0.01
#: Largest effective sample size that tempering aims at, relative to the number of weights.
MAX_RELATIVE_ESS = 0.9
#: Largest inclusion probability; with exactly one, rounding could choose a draw twice.
MAX_INCLUSION = 1.0 - 1e-6


def effective_sample_size(log_weights: Float[np.ndarray, " n"]) -> float:
    """Kish's effective sample size (Σ w)² / Σ w² of unnormalized log weights."""
    weights = np.exp(log_weights - np.max(log_weights))
    return float(weights.sum() ** 2 / (weights**2).sum())


def tempered(
    log_ratios: Float[np.ndarray, " n"], min_ess: float
) -> tuple[Float[np.ndarray, " n"], float]:
    """Weights (π/q)^p with the largest power p <= 1 that has this effective sample size.

    Starting points of chains that are drawn with these weights are closer to π than draws of q,
    and do not depend on a few draws only.

    Returns
    -------
    weights, power
        The normalized weights and p.
    """
    power = 1.0
    while True:
        weights = np.exp(power * (log_ratios - np.max(log_ratios)))
        weights /= weights.sum()
        wanted = min(min_ess, MAX_RELATIVE_ESS * len(weights))
        if 1.0 / (weights**2).sum() >= wanted or power < MIN_POWER:
            return weights, power
        power *= TEMPERING_FACTOR


def systematic(
    weights: Float[np.ndarray, " n"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Indices drawn in proportion to the weights by systematic resampling, in random order."""
    return generator.permutation(systematic_indices(weights, count, generator))


def shortage(weights: Float[np.ndarray, " n"], factor: float) -> float:
    """Share of the draws that would be missing if no draw of the pool could be chosen twice.

    E[max(w - f, 0)] for weights w of mean one and a pool f times as large as the draws.  The
    expected number of times that a draw is chosen is w / f, more than one where w > f.
    """
    return float(np.maximum(weights / weights.mean() - factor, 0.0).mean())


def pool_factor(log_weights: Float[np.ndarray, " n"], *, are_nearly_equal: bool = False) -> float:
    """Size of the pool that draws are chosen from, as a multiple of the draws.

    The smallest size with a shortage of at most ``MAX_POOL_SHORTAGE``, given the weights of a
    part of the pool.  Weights that are nearly equal are known well, so that the smallest size and
    its steps can be smaller.
    """
    weights = np.exp(log_weights - np.max(log_weights))
    factor, growth = MIN_POOL_FACTOR, POOL_GROWTH
    if are_nearly_equal:
        factor, growth = MIN_FLAT_POOL_FACTOR, FLAT_POOL_GROWTH
    while factor < MAX_POOL_FACTOR and shortage(weights, factor) > MAX_POOL_SHORTAGE:
        factor *= growth
    return factor


def chosen(
    log_weights: Float[np.ndarray, " n"],
    count: int,
    generator: np.random.Generator,
    *,
    may_repeat: bool = False,
) -> Int[np.ndarray, " m"]:
    """``count`` indices with probabilities proportional to the weights, if possible distinct.

    Systematic sampling (Madow 1949, Annals of Mathematical Statistics 20) with inclusion
    probabilities min(1, c w).  Where these fall short of the weights by ``MAX_SHORTAGE`` of the
    draws or more, or with ``may_repeat``, indices repeat in proportion to the weights.  The choice
    has no bias then.
    """
    weights = np.exp(log_weights - np.max(log_weights))
    if may_repeat or shortage(weights, len(weights) / count) >= MAX_SHORTAGE:
        return systematic(weights, count, generator)
    inclusion = weights * (count / weights.sum())
    while np.any(inclusion > MAX_INCLUSION) and np.any(
        free := (inclusion < MAX_INCLUSION) & (inclusion > 0.0)
    ):
        inclusion = np.minimum(inclusion, MAX_INCLUSION)
        num_certain = np.count_nonzero(inclusion == MAX_INCLUSION)
        inclusion[free] *= (count - MAX_INCLUSION * num_certain) / inclusion[free].sum()
    return systematic(inclusion, count, generator)
