"""Draws of the prior, whose failures never stop a fit."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float


def draws_or_nan(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    dim: int,
    generator: np.random.Generator,
    n: int,
) -> Float[np.ndarray, "n d"]:
    """The rows that ``draw(generator, n)`` returns, in float64; rows of NaN if it fails.

    The prior only suggests starting points.  A model whose density can be evaluated can have a
    prior that cannot be drawn from, so no exception of the modeling language may stop the fit.
    """
    if n == 0:
        return np.empty((0, dim))
    try:
        return np.asarray(draw(generator, n), dtype=np.float64).reshape(n, dim)
    except Exception:  # distributions may raise any exception
        return np.full((n, dim), np.nan)
