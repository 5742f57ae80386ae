"""A subset of weighted draws whose marginal distributions are close to those of all draws."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

#: Cosines of the ranks of one coordinate: bounds of their number, and number of all cosines.
MIN_COSINES, MAX_COSINES, NUM_COSINES = 2, 64, 512
#: Largest number of coordinates that are balanced; evenly spaced ones where there are more.
MAX_COORDINATES = 256
#: Candidates for each chosen draw.
NUM_CANDIDATES = 4


def balanced_subset(
    positions: Float[np.ndarray, "n d"],
    weights: Float[np.ndarray, " n"],
    parts: Sequence[Int[np.ndarray, " p"]],
    count: int,
    generator: np.random.Generator,
) -> list[Int[np.ndarray, " c"]]:
    r"""Choose ``count`` draws of every part, so that the chosen draws have the given marginals.

    The draws of a part are divided, in their order, into ``count`` intervals of equal weight.
    From each interval ``NUM_CANDIDATES`` draws are taken with probabilities proportional to their
    weights.  The one is chosen that reduces the differences

    .. math:: Δ_{ak} = \sum_{\text{chosen } i} \left(
        \cos(π k u_{ai}) - \sum_j w_j \cos(π k u_{aj}) \right)

    most, with u the weighted rank of coordinate a between 0 and 1 and w_j the weights of the draws
    of the same part: it has the smallest value of :math:`Δ^T f_i`.  These differences stay
    bounded, while those of independent draws grow with the square root of their number.  Parts
    that differ, such as chains that have not converged, keep their own distributions.

    Parameters
    ----------
    positions, weights
        Draws and their weights.  A part without weight gets equal weights.
    parts
        Indices of the draws of each part.
    count
        Number of draws that are chosen from each part.
    generator
        Source of random numbers.

    References
    ----------
    Alweiss, Liu and Sawhney (2021), Discrepancy minimization via a self-balancing walk, STOC:
    signs that depend on the sum of the vectors so far keep the sum of n vectors small.
    """
    weights = weights / weights.sum()
    features = _features(positions, weights)
    difference = np.zeros(features.shape[1], features.dtype)
    found = []
    for members in parts:
        own = weights[members]
        own = own / own.sum() if own.sum() > 0.0 else np.full(len(own), 1.0 / len(own))
        cumulative, mean = np.cumsum(own), own @ features[members]
        levels = np.arange(count)[:, None] + generator.random((count, NUM_CANDIDATES))
        places = np.searchsorted(cumulative, levels / count)
        candidates = members[np.minimum(places, len(members) - 1)]
        index = np.empty(count, int)
        # A random order: states of one chain that follow each other are similar.
        for row in generator.permutation(count):
            options = candidates[row]
            index[row] = options[int(np.argmin(features[options] @ difference))]
            difference += (features[index[row]] - mean).astype(difference.dtype)
        found.append(index)
    return found


def _features(
    positions: Float[np.ndarray, "n d"], weights: Float[np.ndarray, " n"]
) -> Float[np.ndarray, "n f"]:
    """Cosines of weighted ranks."""
    dim = positions.shape[1]
    columns = np.arange(dim)
    if dim > MAX_COORDINATES:
        columns = np.linspace(0, dim - 1, MAX_COORDINATES).astype(int)
    num_cosines = int(np.clip(NUM_COSINES // len(columns), MIN_COSINES, MAX_COSINES))
    frequencies = np.arange(1, num_cosines + 1, dtype=np.float32)
    features = np.empty((len(positions), len(columns), num_cosines), np.float32)
    # Cosines in single precision take a tenth of the time.
    angles = np.empty((len(positions), 1), np.float32)
    for place, column in enumerate(columns):
        order = np.argsort(positions[:, column])
        angles[order, 0] = np.pi * (np.cumsum(weights[order]) - 0.5 * weights[order])
        # Low frequencies matter most for moments and quantiles.
        features[:, place] = np.cos(angles * frequencies) / np.sqrt(frequencies)
    return features.reshape(len(positions), -1)
