"""Bias that the starting points of parallel chains leave in a recording, by autocorrelation."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from isogmm.draws.blocks import coordinate_blocks
from isogmm.draws.chains.convergence import MAX_DISTANCE_SD, without_group_means

#: Largest share of the initial difference that is assumed to be left.
MAX_SHARE = 0.9
#: Fewest recorded draws of each chain from which autocorrelations at two lags are estimated.
MIN_LENGTH = 4


class RemainingBias(NamedTuple):
    """Estimates of the biases of the means, in sds, and of the log sds; both (d,).

    They are zero where the chains show no significant autocorrelation, or where the starting
    points do not differ significantly from the recording.
    """

    mean: Float[np.ndarray, " d"]
    log_sd: Float[np.ndarray, " d"]

    def largest(self) -> Float[np.ndarray, " d"]:
        """The larger absolute value of both, for each coordinate."""
        return np.maximum(np.abs(self.mean), np.abs(self.log_sd))


def remaining_bias(
    start: Float[np.ndarray, "m d"],
    draws: Float[np.ndarray, "m t d"],
    groups: Int[np.ndarray, " m"],
    age: float,
) -> RemainingBias:
    r"""Bias of the means and log sds of a recording, from its autocorrelation.

    For a reversible kernel with eigenvalues λ_k, the bias of the starting points and the
    autocorrelation decay at the same rates.  The expectation of a function f after n transitions
    differs from that in the posterior by :math:`\sum_k h_k f_k λ_k^n`, and its autocorrelation is
    :math:`ρ(n) = \sum_k f_k^2 λ_k^n / \sum_k f_k^2`.  Here f_k and h_k are the coefficients of f
    and of the density of the starting points relative to the posterior.  If they are proportional,

    .. math:: E[f(x_n)] - E[f(x_∞)] = ρ(n) (E[f(x_0)] - E[f(x_∞)]),

    which is exact for mean and variance of Gaussian chains that are autoregressive.  With the
    average r of ρ over the recording, and the average F of f over it, the bias of F is
    r / (1 - r) (E[f(x_0)] - F).  The functions are each coordinate and its squared distance from
    the mean.

    The autocorrelation is measured at a quarter and half of the length of the recording, and
    extrapolated exponentially.  It is log-convex, so the extrapolation is a lower bound.  The
    correlation of single positions with the starting points has an error of 1/√m in m chains,
    and a growth of the spread has one of 1/√(2 m).  This estimate has a much smaller error, because
    the autocorrelation is averaged over chains and transitions.

    Parameters
    ----------
    start
        Starting points.
    draws
        Draws of m chains after each of t transitions.
    groups
        The mode of each chain; means are those of modes.
    age
        Transitions before the first recorded one, in units of those between the draws.

    References
    ----------
    Sokal (1997), Monte Carlo methods in statistical mechanics, section 2: autocorrelations and the
    bias of the starting points decay with the same eigenvalues.
    """
    if draws.shape[1] < MIN_LENGTH:
        return RemainingBias(*np.zeros((2, draws.shape[-1])))
    # Largest of 2 d normal variables.
    limit = float(np.sqrt(2.0 * np.log(4.0 * draws.shape[-1])))
    columns: list[tuple[np.ndarray, np.ndarray]] = []
    for block in coordinate_blocks(draws.shape[-1]):
        values = draws[:, :, block].astype(np.float64)
        center = _group_means(values.mean(axis=1), groups)
        scaled, first = values - center[:, None], start[:, block] - center
        sd = np.sqrt((scaled**2).mean(axis=(0, 1))) + 1e-300
        scaled, first = scaled / sd, first / sd
        means = _bias(first, scaled, groups, age, limit)
        first_squares, squares = (
            np.minimum(np.abs(part), MAX_DISTANCE_SD) ** 2 for part in (first, scaled)
        )
        columns.append((means, 0.5 * _bias(first_squares, squares, groups, age, limit)))
    return RemainingBias(*(np.concatenate(part) for part in zip(*columns, strict=True)))


def _bias(
    first: Float[np.ndarray, "m b"],
    values: Float[np.ndarray, "m t b"],
    groups: Int[np.ndarray, " m"],
    age: float,
    limit: float,
) -> Float[np.ndarray, " b"]:
    """Bias of the average of recorded values; zero unless beyond ``limit`` standard errors."""
    num_chains, length, num_columns = values.shape
    averages = values.mean(axis=1)
    difference = (first - _group_means(averages, groups)).mean(axis=0)
    variances = without_group_means(first, groups).var(axis=0)
    variances = variances + without_group_means(averages, groups).var(axis=0)
    error = np.sqrt(variances / num_chains)
    # Means of each transition: what all chains have in common is no autocorrelation.
    values = without_group_means(values.reshape(num_chains, -1), groups)
    values = values.reshape(num_chains, length, num_columns)
    lag = length // 4
    short, long = (_slope(values[:, :-gap], values[:, gap:]) for gap in (lag, 2 * lag))
    # Exact for chains without autocorrelation.
    noise = limit / np.sqrt(num_chains * (length - 2 * lag))
    is_significant = (np.minimum(short, long) > noise) & (np.abs(difference) > limit * error)
    short, long = np.maximum(short, noise), np.maximum(long, noise)
    decay = np.minimum(long / short, 1.0)
    powers = (age + 1.0 + np.arange(length)) / lag - 2.0
    share = np.minimum(long * decay ** powers[:, None], 1.0).mean(axis=0)
    share = np.minimum(share, MAX_SHARE)
    return np.where(is_significant, share / (1.0 - share) * difference, 0.0)


def _slope(
    early: Float[np.ndarray, "m n b"], late: Float[np.ndarray, "m n b"]
) -> Float[np.ndarray, " b"]:
    """Slope of the regression of late values on early ones, which does not need stationarity."""
    products = np.einsum("mnb,mnb->b", early, late)
    return products / (np.einsum("mnb,mnb->b", early, early) + 1e-300)


def _group_means(
    values: Float[np.ndarray, "m b"], groups: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m b"]:
    """The mean of the group of each chain."""
    return values - without_group_means(values, groups)
