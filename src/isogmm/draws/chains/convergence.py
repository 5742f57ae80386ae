"""Convergence of parallel chains: independence of starting points, drift, errors of tails."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from isogmm.draws.blocks import coordinate_blocks
from isogmm.draws.stein import regression

#: Correlation below which chains count as independent of their starting points, in few dimensions.
MIN_INDEPENDENCE_THRESHOLD = 0.15
#: Growth of the spread of a coordinate, as a factor, from which on its correlation with the
#: starting points says little.  The largest growth by chance in 384 chains is about 1.32 for 100
#: coordinates and 1.44 for 5,000.  From accurate mixtures it was up to 1.47.
MIN_GROWTH = 2.0
#: Standard error of the log of a median absolute deviation of n draws, as a multiple of 1/√n.
LOG_MAD_ERROR = 1.17
#: Largest tail error of a coordinate that is accepted, in units of the accepted mean error.
MAX_TO_MEAN_TAIL_ERROR = 1.75
#: Probability beyond each of the two quantiles whose errors are estimated.
TAIL_PROBABILITY = 0.05
#: Density of a standard normal distribution at these quantiles.
TAIL_DENSITY = 0.103
#: Distance from the mean, in sds, beyond which squares do not grow, for heavy tails.
MAX_DISTANCE_SD = 5.0


def without_group_means(
    values: Float[np.ndarray, "m d"], groups: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m d"]:
    """Values minus the mean of their group.

    Groups are modes that chains do not leave; the means of modes keep their differences forever.
    """
    values = values.copy()
    for group in np.unique(groups):
        members = groups == group
        values[members] -= values[members].mean(axis=0)
    return values


def start_correlation(
    start: Float[np.ndarray, "m d"], now: Float[np.ndarray, "m d"], groups: Int[np.ndarray, " m"]
) -> Float[np.ndarray, " d"]:
    """Correlation across chains of each coordinate with the starting points.

    The larger of |corr(x_start, x_now)| and |corr(|x_start - m|, |x_now - m|)|, with m the
    median, both within groups.  The second one detects a spread that is not yet independent.
    """
    result = np.zeros(start.shape[1])
    distances = [np.abs(points - np.median(points, axis=0)) for points in (start, now)]
    for first, second in ((start, now), distances):
        first, second = without_group_means(first, groups), without_group_means(second, groups)
        scale = np.sqrt((first**2).mean(axis=0) * (second**2).mean(axis=0))
        covariance = (first * second).mean(axis=0)
        result = np.maximum(result, np.abs(covariance) / np.maximum(scale, 1e-300))
    return result


def independence_threshold(num_chains: int, dim: int) -> float:
    """Correlation below which chains count as independent of their starting points.

    0.15, or 0.05 more than the largest correlation that independent chains show by chance,
    √(2 log(2 d) / m) in d coordinates of m chains.
    """
    by_chance = np.sqrt(2.0 * np.log(2.0 * dim) / num_chains)
    return max(MIN_INDEPENDENCE_THRESHOLD, 0.05 + by_chance)


def median_deviation(points: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " d"]:
    """Median absolute deviation of each coordinate."""
    result = np.empty(points.shape[1])
    for block in coordinate_blocks(points.shape[1]):
        values = points[:, block].astype(np.float64)
        result[block] = np.median(np.abs(values - np.median(values, axis=0)), axis=0)
    return result


def has_spread(start: Float[np.ndarray, "m d"], now: Float[np.ndarray, "m d"]) -> bool:
    """Whether the chains have spread far beyond their starting points in some coordinate.

    Chains that start from a narrow distribution and diffuse slowly lose the correlation with
    their starting points long before they are independent of them: the correlation is divided by
    the growth of the spread, which is measured by median absolute deviations.
    """
    num_chains, dim = start.shape
    before, after = median_deviation(start), median_deviation(now)
    by_chance = LOG_MAD_ERROR * np.sqrt(2.0 / num_chains) * np.sqrt(2.0 * np.log(2.0 * dim))
    limit = max(MIN_GROWTH, float(np.exp(by_chance)))
    return bool(np.any((after > limit * before) & (before > 0)))


class Drift(NamedTuple):
    """Change between the two halves of a recording, in standard deviations of the draws.

    ``location`` and ``spread`` (d,) are the changes of the mean and of the mean absolute
    deviation, each with its standard error across chains.
    """

    location: Float[np.ndarray, " d"]
    location_se: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    spread_se: Float[np.ndarray, " d"]

    def is_significant(self, tolerance: float) -> bool:
        """Whether a coordinate changes by more than the tolerance and its Monte Carlo error.

        The limit in standard errors grows with the number of coordinates.
        """
        limit = np.sqrt(2.0 * np.log(4.0 * len(self.location))) + 1.0
        for change, error in ((self.location, self.location_se), (self.spread, self.spread_se)):
            if np.any((np.abs(change) > limit * error) & (np.abs(change) > tolerance)):
                return True
        return False


def drift(draws: Float[np.ndarray, "m t d"]) -> Drift:
    """Second half minus first half of a recording, chain by chain.

    The chains are independent, so the standard error of a mean over chains needs no model of
    the autocorrelation within them.  The errors are infinite if there is one recorded transition.
    """
    num_chains, length, dim = draws.shape
    if length < 2:
        return Drift(*np.repeat([0.0, np.inf, 0.0, np.inf], dim).reshape(4, dim))
    half = length // 2
    columns = np.empty((4, dim))
    for block in coordinate_blocks(dim):
        values = draws[:, :, block].astype(np.float64)
        sd = values.std(axis=(0, 1)) + 1e-300
        scaled = (values - np.median(values, axis=(0, 1))) / sd
        for row, part in ((0, scaled), (2, np.abs(scaled))):
            change = part[:, half:].mean(axis=1) - part[:, :half].mean(axis=1)
            columns[row, block] = change.mean(axis=0)
            columns[row + 1, block] = change.std(axis=0, ddof=1) / np.sqrt(num_chains)
    return Drift(*columns)


def tail_error(
    draws: Float[np.ndarray, "m t d"],
    groups: Int[np.ndarray, " m"],
    functions: Float[np.ndarray, "m t p"] | None = None,
) -> float:
    """Standard error of the 5 % and 95 % quantiles, in standard deviations.

    The mean over the coordinates, or the largest divided by ``MAX_TO_MEAN_TAIL_ERROR`` where
    that is more.  The error of a coordinate is that of the share of draws beyond a quantile,
    from the differences between chains of a group, divided by the density of a normal
    distribution at the quantile.  4,000 independent draws have 0.034.

    Parameters
    ----------
    draws
        Draws of m chains.
    groups
        The mode of each chain.
    functions
        Functions of the draws with expectations of zero; the error is then that of an estimate
        with these control variates.
    """
    errors = []
    for block in coordinate_blocks(draws.shape[-1]):
        values = draws[:, :, block].astype(np.float64)
        low, high = np.quantile(values, [TAIL_PROBABILITY, 1.0 - TAIL_PROBABILITY], axis=(0, 1))
        shares = [_shares(values < low, functions), _shares(values > high, functions)]
        spreads = [without_group_means(share, groups).std(axis=0) for share in shares]
        errors.append(np.maximum(*spreads))
    each = np.concatenate(errors)
    largest = max(each.mean(), each.max() / MAX_TO_MEAN_TAIL_ERROR)
    return float(largest / np.sqrt(len(draws)) / TAIL_DENSITY)


def _shares(
    beyond: Bool[np.ndarray, "m t b"], functions: Float[np.ndarray, "m t p"] | None
) -> Float[np.ndarray, "m b"]:
    """Shares of the draws of each chain, minus their regression on the functions."""
    shares = beyond.mean(axis=1)
    if functions is None:
        return shares
    num_draws = beyond.shape[0] * beyond.shape[1]
    flat = functions.reshape(num_draws, -1)
    values = beyond.reshape(num_draws, -1) - shares.mean(axis=0)
    slopes = regression(flat, np.full(num_draws, 1.0 / num_draws), flat.T @ values / num_draws)
    return shares - functions.mean(axis=1) @ slopes


def log_sd_error(
    draws: Float[np.ndarray, "m t d"],
    groups: Int[np.ndarray, " m"],
    max_distance: float = MAX_DISTANCE_SD,
) -> Float[np.ndarray, " d"]:
    """Standard error of the log sd of each coordinate, from the differences between chains.

    It is half of the standard error of the variance in units of the variance.  Distances from the
    mean are limited to ``max_distance`` sds, which keeps it finite for heavy tails.  4,000
    independent draws of a normal distribution have 0.011, and 0.034 with a kurtosis of 20.
    """
    errors = []
    for block in coordinate_blocks(draws.shape[-1]):
        values = draws[:, :, block].astype(np.float64)
        center = values.mean(axis=1) - without_group_means(values.mean(axis=1), groups)
        centered = values - center[:, None]
        sd = centered.std(axis=(0, 1)) + 1e-300
        squares = np.minimum(np.abs(centered) / sd, max_distance) ** 2
        spread = without_group_means(squares.mean(axis=1), groups).std(axis=0)
        errors.append(0.5 * spread / np.sqrt(len(draws)))
    return np.concatenate(errors)
