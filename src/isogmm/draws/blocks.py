"""Blocks of coordinates, for arrays that are too large to be copied as a whole."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

#: Coordinates that are processed at a time: a recording of chains is the largest array of a fit.
BLOCK_SIZE = 64


def coordinate_blocks(dim: int) -> list[slice]:
    """Slices of at most ``BLOCK_SIZE`` coordinates that cover all of them."""
    return [slice(begin, begin + BLOCK_SIZE) for begin in range(0, dim, BLOCK_SIZE)]


def of_coordinates(
    draws: Float[np.ndarray, "*n d"],
    statistic: Callable[[Float[np.ndarray, "m b"]], Float[np.ndarray, " b"]],
) -> Float[np.ndarray, " d"]:
    """A statistic of each coordinate, such as the sd, in double precision.

    Parameters
    ----------
    draws
        Draws, with any number of leading axes.
    statistic
        From the draws of some coordinates, with the leading axes in one, to one number for each.
    """
    result = np.empty(draws.shape[-1])
    for block in coordinate_blocks(draws.shape[-1]):
        values = draws[..., block].astype(np.float64)
        result[block] = statistic(values.reshape(-1, values.shape[-1]))
    return result


def sds(draws: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, " d"]:
    """Standard deviation of each coordinate; never zero."""
    return of_coordinates(draws, lambda values: values.std(axis=0)) + 1e-300


def medians(draws: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, " d"]:
    """Median of each coordinate."""
    return of_coordinates(draws, lambda values: np.median(values, axis=0))


def means(draws: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, " d"]:
    """Mean of each coordinate."""
    return of_coordinates(draws, lambda values: values.mean(axis=0))
