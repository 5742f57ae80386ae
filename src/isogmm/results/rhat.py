"""R-hat of many scalars at once; ArviZ computes it for one after the other."""

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtri

#: Smallest number of chains, and of draws of each, for which R-hat is defined.
MIN_CHAINS, MIN_DRAWS = 2, 4
#: Numbers that are ranked together, 8 MiB: blocks of this size stay in the cache.
MAX_NUMBERS = 2**20
#: Variance within the halves, relative to that between them, below which it is a rounding error.
MIN_WITHIN = 1e-25
#: Offset of the fractional ranks (Blom 1958).
BLOM = 0.375


def rhat(draws: Float[np.ndarray, "c n *v"]) -> Float[np.ndarray, "*v"]:
    r"""Rank-normalized split R-hat, the larger of bulk and tail R-hat.

    Each chain is split into halves of length n.  The draws are replaced by normal scores of their
    ranks, :math:`z = \Phi^{-1}((r - 3/8) / (S + 1/4))` for S draws.  With W the mean variance of
    the halves and B / n the variance of their means,

    .. math:: \hat R = \sqrt{(B / W + n - 1) / n}.

    The tail R-hat is that of the absolute deviations from the median.

    Parameters
    ----------
    draws
        Draws of c chains.

    Returns
    -------
    array
        R-hat of every scalar; NaN for constant draws, for draws with NaN, for one chain, and for
        fewer than 4 draws; infinite if every half is constant and they differ.  All other values
        are those of ``az.rhat``.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Rank-normalization, folding, and
    localization: an improved R-hat, Bayesian Analysis 16.
    """
    draws = np.asarray(draws)
    chains, length, *shape = draws.shape
    if chains < MIN_CHAINS or length < MIN_DRAWS:
        return np.full(shape, np.nan)
    half, flat = length // 2, draws.reshape(chains, length, -1)
    block = max(1, MAX_NUMBERS // (2 * chains * half))
    parts = []
    for begin in range(0, flat.shape[2], block):
        scalars = flat[:, :, begin : begin + block]
        halves = np.concatenate([scalars[:, :half], scalars[:, length - half :]])
        rows = halves.reshape(2 * chains * half, -1).T
        parts.append(_of_rows(np.ascontiguousarray(rows, dtype=np.float64), 2 * chains))
    return np.concatenate([np.zeros(0), *parts]).reshape(shape)


def _of_rows(rows: Float[np.ndarray, "v s"], num_halves: int) -> Float[np.ndarray, " v"]:
    """R-hat of the scalars in a block, one in each row."""
    with np.errstate(all="ignore"):  # 0 / 0 for constant draws
        bulk = _basic(_normal_scores(rows), num_halves)
        tail = _basic(_normal_scores(np.abs(rows - np.median(rows, axis=1)[:, None])), num_halves)
    largest = np.where(tail > bulk, tail, bulk)
    return np.where(np.isnan(rows).any(axis=1), np.nan, largest)


def _basic(scores: Float[np.ndarray, "v s"], num_halves: int) -> Float[np.ndarray, " v"]:
    """Gelman and Rubin's R-hat."""
    halves = scores.reshape(len(scores), num_halves, -1)
    length = halves.shape[2]
    within = halves.var(axis=2, ddof=1).mean(axis=1)
    between = length * halves.mean(axis=2).var(axis=1, ddof=1)
    within[within < MIN_WITHIN * between] = 0.0
    return np.sqrt((between / within + length - 1) / length)


def _normal_scores(rows: Float[np.ndarray, "v s"]) -> Float[np.ndarray, "v s"]:
    """Normal scores of the ranks within each row; equal draws have their average rank."""
    size = rows.shape[1]
    scores = ndtri((np.arange(1, size + 1) - BLOM) / (size - 2 * BLOM + 1))
    order = np.argsort(rows, axis=1)
    ordered = np.take_along_axis(rows, order, axis=1)
    result = np.empty_like(rows)
    np.put_along_axis(result, order, np.broadcast_to(scores, rows.shape), axis=1)
    is_tied = ordered[:, 1:] == ordered[:, :-1]
    tied = np.flatnonzero(is_tied.any(axis=1))
    if len(tied):
        averaged = ndtri((_average_ranks(is_tied[tied]) - BLOM) / (size - 2 * BLOM + 1))
        result[tied[:, None], order[tied]] = averaged
    return result


def _average_ranks(is_tied: Bool[np.ndarray, "v t"]) -> Float[np.ndarray, "v s"]:
    """Ranks of draws in increasing order, averaged over those that equal the draw before them."""
    count, size = len(is_tied), is_tied.shape[1] + 1
    begins = np.concatenate([np.ones((count, 1), dtype=bool), ~is_tied], axis=1).ravel()
    first = np.flatnonzero(begins)
    lengths = np.diff(first, append=begins.size)
    averages = first % size + 0.5 * (lengths + 1)
    return np.repeat(averages, lengths).reshape(count, size)
