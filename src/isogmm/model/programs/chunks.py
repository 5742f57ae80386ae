"""Calls of a compiled program of fixed size for any number of positions."""

from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import PyTree, Shaped

from isogmm.model.time_limit import check_time


def in_chunks(
    program: Callable[[np.ndarray, np.uint32], PyTree],
    positions: Shaped[np.ndarray, "n ..."],
    seed: int,
    size: int,
) -> PyTree:
    """The results of a program for all rows, in chunks of ``size`` with the last one padded.

    Parameters
    ----------
    program
        ``(positions (size, ...), seed) -> pytree`` of arrays with a leading axis of length
        ``size``.
    positions
        At least one position, or the seed of at least one row.
    seed
        Each chunk has its own seed, computed from this one.
    size
        Rows of the program.
    """
    results: PyTree = None
    for begin in range(0, len(positions), size):
        if begin:
            check_time()
        chunk = positions[begin : begin + size]
        padding = np.repeat(chunk[:1], size - len(chunk), axis=0)
        part = program(np.concatenate([chunk, padding]), np.uint32((seed + begin) % 2**32))
        if results is None:
            # The log likelihood can be the largest array of a fit, so parts are not concatenated.
            results = jax.tree.map(
                lambda leaf: np.empty((len(positions), *leaf.shape[1:]), leaf.dtype), part
            )
        rows = slice(begin, begin + len(chunk))
        for array, leaf in zip(jax.tree.leaves(results), jax.tree.leaves(part), strict=True):
            array[rows] = np.asarray(leaf)[: len(chunk)]
    return results
