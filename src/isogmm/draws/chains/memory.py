"""What parallel chains remember of their starts, whether they move, how well they know tails."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

#: The tails of the slowest coordinate may be so many times less well known than those of most.
WORST = 1.75


def without_group_means(
    values: Float[np.ndarray, "m d"], groups: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m d"]:
    """Values minus the mean of their group: across separate modes nothing is ever forgotten."""
    values = values.copy()
    for group in np.unique(groups):
        members = groups == group
        values[members] -= values[members].mean(axis=0)
    return values


def memory(
    start: Float[np.ndarray, "m d"], now: Float[np.ndarray, "m d"], groups: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " d"]:
    """Largest correlation across chains of a coordinate (and of its spread) now and at the start.

    For each coordinate the larger of |corr(x_start, x_now)| and |corr(|x_start - m|, |x_now - m|)|
    with m the median, both within groups.
    """
    result = np.zeros(start.shape[1])
    pairs = [(start, now)]
    pairs.append(tuple(np.abs(part - np.median(part, axis=0)) for part in (start, now)))
    for first, second in pairs:
        first, second = without_group_means(first, groups), without_group_means(second, groups)
        scale = np.sqrt((first**2).mean(axis=0) * (second**2).mean(axis=0))
        covariance = (first * second).mean(axis=0)
        result = np.maximum(result, np.abs(covariance) / np.maximum(scale, 1e-300))
    return result


def forgotten_below(num_chains: int, dim: int) -> float:
    """Correlations below this count as forgotten: 0.15, or what noise reaches in d coordinates."""
    return max(0.15, 0.05 + np.sqrt(2.0 * np.log(2.0 * dim) / num_chains))


class Drift(NamedTuple):
    """Movement between the two halves of a recording, in standard deviations of the draws.

    ``location`` and ``spread`` (d,) with their standard errors across chains.
    """

    location: Float[np.ndarray, " d"]
    location_se: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    spread_se: Float[np.ndarray, " d"]

    def is_significant(self, tolerance: float) -> bool:
        """Whether some coordinate still moves by more than the tolerance and the noise allow."""
        limit = np.sqrt(2.0 * np.log(4.0 * len(self.location))) + 1.0
        for moved, error in ((self.location, self.location_se), (self.spread, self.spread_se)):
            if np.any((np.abs(moved) > limit * error) & (np.abs(moved) > tolerance)):
                return True
        return False


def drift(draws: Float[np.ndarray, "m t d"]) -> Drift:
    """Second half minus first half of a recording, chain by chain.

    The chains are independent, so the standard error of a mean over chains needs no model of
    the autocorrelation within them.
    """
    num_chains, length, dim = draws.shape
    half = length // 2
    parts = np.empty((4, dim))
    # A few coordinates at a time: the recording is the largest array of a fit.
    for begin in range(0, dim, 64):
        block = draws[:, :, begin : begin + 64]
        sd = block.std(axis=(0, 1)) + 1e-300
        scaled = (block - np.median(block, axis=(0, 1))) / sd
        for row, values in ((0, scaled), (2, np.abs(scaled))):
            change = values[:, half:].mean(axis=1) - values[:, :half].mean(axis=1)
            parts[row, begin : begin + 64] = change.mean(axis=0)
            parts[row + 1, begin : begin + 64] = change.std(axis=0, ddof=1) / np.sqrt(num_chains)
    return Drift(*parts)


def tail_error(draws: Float[np.ndarray, "m t d"], groups: Int[np.ndarray, " m"]) -> float:
    """Standard error of the 5 % and 95 % quantiles in sds: of most coordinates, and of the worst.

    The mean over coordinates, or the largest divided by ``WORST`` where that is more.  For each
    that of the share of draws beyond a quantile, from the differences between chains of a
    group, divided by the density of a normal distribution there (0.103).  4,000 independent
    draws have 0.034.
    """
    errors = []
    for begin in range(0, draws.shape[-1], 64):
        block = draws[:, :, begin : begin + 64]
        low, high = np.quantile(block, [0.05, 0.95], axis=(0, 1))
        sides = [(block < low).mean(axis=1), (block > high).mean(axis=1)]
        spread = [without_group_means(side, groups).std(axis=0) for side in sides]
        errors.append(np.maximum(*spread))
    each = np.concatenate(errors)
    return float(max(each.mean(), each.max() / WORST) / np.sqrt(len(draws)) / 0.103)
