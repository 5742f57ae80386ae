"""Importance weights of a fit's own draws: where they come from, where they help."""

import numpy as np
from jaxtyping import Float, Int

#: Rows for each one chosen, at least, for a choice without replacement.
LARGER = 2


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


def chosen(
    log_weights: Float[np.ndarray, " n"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """``count`` indices, with chances that follow the weights: different ones where there are many.

    From a pool several times larger, drawing without replacement (Gumbel's top-k) differs
    little from drawing with it, and no draw appears twice (Gelman et al. 2014, section 10.4).
    Where fewer than ``LARGER`` times as many rows have a weight that is not zero, the heavy ones
    would be short of their share: rows are drawn in strata then, and may appear again.
    """
    if np.isfinite(log_weights).sum() < LARGER * count:
        return systematic(np.exp(log_weights - np.max(log_weights)), count, generator)
    keys = log_weights + generator.gumbel(size=len(log_weights))
    return generator.permutation(np.argsort(-keys)[:count])
