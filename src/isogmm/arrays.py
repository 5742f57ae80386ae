"""Arrays of any library that follows the array API standard, and the functions shared by all."""

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float

#: A NumPy array, or a JAX array where the arithmetic is compiled.
Array: TypeAlias = np.ndarray | jax.Array

LOG_2PI = math.log(2.0 * math.pi)


def logsumexp(values: Array, axis: int = -1) -> Array:
    """log Σ exp(values) along an axis; -inf where all entries are -inf."""
    xp = values.__array_namespace__()
    largest = xp.max(values, axis=axis, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    return xp.log(xp.sum(xp.exp(values - largest), axis=axis)) + xp.squeeze(largest, axis=axis)


def size_of(shape: tuple[int, ...]) -> int:
    """Number of entries of an array of this shape."""
    return math.prod(shape)


def split(vectors: Any, shapes: Iterable[tuple[int, ...]]) -> list[Any]:
    """Parts of flat vectors (..., d) with these shapes; leading axes are kept.

    Parameters
    ----------
    vectors
        An array or tracer of any library with ``reshape``, shape (..., d).
    shapes
        Shapes whose sizes sum to d, each laid out in C order.
    """
    parts, begin, lead = [], 0, vectors.shape[:-1]
    for shape in shapes:
        end = begin + math.prod(shape)
        parts.append(vectors[..., begin:end].reshape((*lead, *shape)))
        begin = end
    return parts


def mean_and_standard_error(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean of independent values, and its standard error sd / √n."""
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))
