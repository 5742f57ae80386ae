"""Importance weights of a fit's own draws: where they come from, where they help."""

import numpy as np
from jaxtyping import Float, Int

#: Share of the draws by which heavy rows may fall short, rather than appear twice.
SHORTAGE = 0.02
#: A pool grows until that share is no larger than this; bounds of its size.
SCARCE, SMALLEST_FACTOR, LARGEST_FACTOR = 0.005, 1.25, 10.0


def effective_sample_size(log_weights: Float[np.ndarray, " n"]) -> float:
    """Kish's effective sample size (Σ w)² / Σ w² of unnormalized log weights."""
    weights = np.exp(log_weights - np.max(log_weights))
    return float(weights.sum() ** 2 / (weights**2).sum())


def tempered(
    log_ratios: Float[np.ndarray, " n"], least_ess: float
) -> tuple[Float[np.ndarray, " n"], float]:
    """Weights π/q to the largest power, at most 1, that leaves this effective sample size.

    Returns the normalized weights and the power.  Starts of chains chosen by them are nearer
    the target than those of q, without resting on a handful of draws.
    """
    power = 1.0
    while True:
        weights = np.exp(power * (log_ratios - np.max(log_ratios)))
        weights /= weights.sum()
        if 1.0 / (weights**2).sum() >= min(least_ess, 0.9 * len(weights)) or power < 0.01:
            return weights, power
        power *= 0.8


def systematic(
    weights: Float[np.ndarray, " n"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Indices drawn in proportion to the weights, in strata, in random order."""
    levels = (np.arange(count) + generator.uniform()) / count
    index = np.searchsorted(np.cumsum(weights) / weights.sum(), levels)
    return generator.permutation(np.minimum(index, len(weights) - 1))


def shortage(weights: Float[np.ndarray, " n"], factor: float) -> float:
    """Share of the draws that heavy rows would miss, were none of a pool chosen twice.

    E[max(w - f, 0)] for weights of mean one, of a pool f times as large as the draws chosen:
    a row heavier than f is due more than one of them.
    """
    return float(np.maximum(weights / weights.mean() - factor, 0.0).mean())


def pool_factor(log_weights: Float[np.ndarray, " n"]) -> float:
    """Size of a pool to choose draws from, as a multiple of the draws, by weights of some of it.

    The pool is large enough where heavy rows would miss hardly any of the draws.
    """
    weights = np.exp(log_weights - np.max(log_weights))
    factor = SMALLEST_FACTOR
    while factor < LARGEST_FACTOR and shortage(weights, factor) > SCARCE:
        factor *= 1.1
    return factor


def chosen(
    log_weights: Float[np.ndarray, " n"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """``count`` indices with chances proportional to the weights, none twice where that can be.

    Systematic sampling (Madow 1949, Annals of Mathematical Statistics 20) with chances
    min(1, c w).  Where the chances that are cut off make up ``SHORTAGE`` of the draws or more,
    heavy rows appear as often as they are due.
    """
    weights = np.exp(log_weights - np.max(log_weights))
    if shortage(weights, len(weights) / count) >= SHORTAGE:
        return systematic(weights, count, generator)
    # A little less than one: rounding could take a row of chance one twice.
    largest = 1.0 - 1e-6
    chances = weights * (count / weights.sum())
    while np.any(chances > largest) and np.any(free := (chances < largest) & (chances > 0.0)):
        chances = np.minimum(chances, largest)
        chances[free] *= (count - largest * np.count_nonzero(chances == largest)) / (
            chances[free].sum()
        )
    return systematic(chances, count, generator)
