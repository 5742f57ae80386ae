"""Blocks of coordinates, for arrays that are too large to be copied as a whole."""

#: Coordinates that are processed at a time: a recording of chains is the largest array of a fit.
BLOCK_SIZE = 64


def coordinate_blocks(dim: int) -> list[slice]:
    """Slices of at most ``BLOCK_SIZE`` coordinates that cover all of them."""
    return [slice(begin, begin + BLOCK_SIZE) for begin in range(0, dim, BLOCK_SIZE)]
