"""Evaluation of many points in chunks, which bounds the size of intermediate arrays."""

import math
from collections.abc import Sequence

from jaxtyping import Float

from isogmm.arrays import Array

#: Bound on the numbers in the largest intermediate array of a chunk: 8 MB in double precision.
MAX_CHUNK_NUMBERS = 2**20
#: The same for coordinates that are transformed: an affine map makes several copies of them.
MAX_PART_NUMBERS = 2**24

#: The number of points in a chunk is a multiple of this where the bound allows it.  The kernels of
#: matrix products work on blocks of rows.  With whole blocks the chunks give the same bits as one
#: evaluation (measured with OpenBLAS on one thread, d from 1 to 300 and K from 1 to 128; several
#: threads split the rows themselves, which changes the last bit of about one value in 2,000).
POINTS_PER_BLOCK = 16


def chunks_of(points: Float[Array, "... n d"], numbers_per_point: int) -> list[Array]:
    """Consecutive chunks of the n points, at least one.

    Parameters
    ----------
    points
        Points along the last axis but one; leading axes are kept whole.
    numbers_per_point
        Numbers in the largest intermediate array for one of the n points, all leading axes
        counted.
    """
    count, limit = points.shape[-2], max(1, MAX_CHUNK_NUMBERS // numbers_per_point)
    if count <= limit:
        return [points]
    length = limit - limit % POINTS_PER_BLOCK or limit
    return [points[..., begin : begin + length, :] for begin in range(0, count, length)]


def parts_of(positions: Float[Array, "*n d"]) -> list[Array]:
    """Parts of very large arrays (n, d), whose coordinates are transformed one after the other."""
    if positions.ndim != 2 or math.prod(positions.shape) <= MAX_PART_NUMBERS:
        return [positions]
    length = max(1, MAX_PART_NUMBERS // positions.shape[1])
    return [positions[begin : begin + length] for begin in range(0, len(positions), length)]


def concatenate(parts: Sequence[Array], axis: int) -> Array:
    """The results of all chunks along an axis; a single result is returned without a copy."""
    if len(parts) == 1:
        return parts[0]
    return parts[0].__array_namespace__().concat(list(parts), axis=axis)
