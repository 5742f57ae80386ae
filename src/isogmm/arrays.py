"""Functions of arrays, for NumPy and JAX arrays alike."""

import math
from collections.abc import Iterable
from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Float, Int

#: A NumPy array, or a JAX array (also a traced one in compiled code).
Array: TypeAlias = np.ndarray | jax.Array

#: log 2π, of the normalizing constant of a Gaussian density.
LOG_2PI = math.log(2.0 * math.pi)


def logsumexp(values: Array, axis: int = -1) -> Array:
    """log Σ exp(values) along an axis; -inf if all entries are -inf."""
    xp = values.__array_namespace__()
    largest = xp.max(values, axis=axis, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    return xp.log(xp.sum(xp.exp(values - largest), axis=axis)) + xp.squeeze(largest, axis=axis)


def size_of(shape: tuple[int, ...]) -> int:
    """Number of entries of an array of this shape."""
    return math.prod(shape)


def split(vectors: Array, shapes: Iterable[tuple[int, ...]]) -> list[Array]:
    """Split flat vectors (..., d) into arrays of given shapes; leading axes are kept.

    Parameters
    ----------
    vectors
        Array of shape (..., d).
    shapes
        Shapes whose sizes sum to d.  Each array is laid out in C order.
    """
    parts, begin, lead = [], 0, vectors.shape[:-1]
    for shape in shapes:
        end = begin + size_of(shape)
        parts.append(vectors[..., begin:end].reshape((*lead, *shape)))
        begin = end
    return parts


def systematic_indices(
    weights: Float[np.ndarray, " n"], count: int, generator: np.random.Generator
) -> Int[np.ndarray, " m"]:
    """Indices drawn in proportion to the weights by systematic resampling, in ascending order.

    The number of times that an index is drawn differs from its expectation by less than one.
    """
    levels = (np.arange(count) + generator.uniform()) / count
    indices = np.searchsorted(np.cumsum(weights) / weights.sum(), levels)
    return np.minimum(indices, len(weights) - 1)


def mean_and_standard_error(values: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Mean of independent values, and the standard error sd / √n of the mean."""
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))
