"""A random sample of rows without replacement, from one pass over blocks of unknown number."""

from collections.abc import Iterable

import numpy as np

from isogmm.rows.blocks import Block


def sampled(blocks: Iterable[Block], size: int, generator: np.random.Generator) -> list[np.ndarray]:
    """At most ``size`` rows, each subset with the same probability.

    Each row gets a uniform random number, and the rows with the smallest numbers are kept, so that
    memory is bounded by a block and the sample.

    Parameters
    ----------
    blocks
        The rows.
    size
        Rows of the sample; all rows if there are fewer.
    generator
        Random numbers.
    """
    kept: list[np.ndarray] = []
    keys = np.zeros(0)
    for block in blocks:
        own = generator.random(block.num_rows)
        # Only rows below the largest number that is kept can enter a full sample.
        limit = keys.max() if len(keys) == size else np.inf
        new = np.flatnonzero(own < limit)
        arrays = [array[new] for array in block.arrays]
        keys = np.concatenate([keys, own[new]])
        if kept:
            arrays = [np.concatenate(pair) for pair in zip(kept, arrays, strict=True)]
        if len(keys) > size:
            smallest = np.argpartition(keys, size)[:size]
            keys, arrays = keys[smallest], [array[smallest] for array in arrays]
        kept = arrays
    return kept
