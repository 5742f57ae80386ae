"""Functions of arrays, for NumPy and JAX arrays alike."""

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import datetime
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


def logsumexp_and_shares(values: Array) -> tuple[Array, Array]:
    """log Σ exp(values) along the last axis, and the shares exp(values) / Σ exp(values).

    Each exponential is computed once.  If all entries of a row are -inf, the logarithm is -inf and
    the shares are NaN.
    """
    xp = values.__array_namespace__()
    largest = xp.max(values, axis=-1, keepdims=True)
    largest = xp.where(xp.isfinite(largest), largest, xp.zeros_like(largest))
    parts = xp.exp(values - largest)
    total = xp.sum(parts, axis=-1, keepdims=True)
    return xp.squeeze(xp.log(total) + largest, axis=-1), parts / total


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


def entry_names(
    name: str, shape: tuple[int, ...], labels: Sequence[Iterable[object] | None] = ()
) -> list[str]:
    """One name for each entry of an array: ``mu``, ``theta[Choate]``, ``beta[dose, 2]``.

    Parameters
    ----------
    name
        Name of the array.
    shape
        Its shape.
    labels
        Labels of each axis.  An axis whose labels are missing, repeated or of another number than
        its entries has the names 0, 1, ...
    """
    texts = []
    for axis, size in enumerate(shape):
        given = labels[axis] if axis < len(labels) else None
        axis_texts = [] if given is None else label_texts(given)
        is_usable = len(axis_texts) == size == len(set(axis_texts))
        texts.append(axis_texts if is_usable else [str(index) for index in range(size)])
    if not shape:
        return [name]
    return [f"{name}[{', '.join(entry)}]" for entry in itertools.product(*texts)]


def label_texts(labels: Iterable[object]) -> list[str]:
    """Labels of a dimension as text; dates without a time of zero."""
    array = labels if isinstance(labels, np.ndarray) else None
    if array is not None and array.dtype.kind == "M":
        return [str(text) for text in np.datetime_as_string(array, unit="auto")]
    return [_label_text(label) for label in labels]


def _label_text(label: object) -> str:
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if isinstance(label, tuple):
        return ", ".join(_label_text(part) for part in label)
    if isinstance(label, np.datetime64):
        return str(np.datetime_as_string(label, unit="auto"))
    # Dates of pandas and of the standard library at midnight.
    return str(label).removesuffix(" 00:00:00") if isinstance(label, datetime) else str(label)
