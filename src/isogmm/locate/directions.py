"""Random directions, and random numbers that leave the rest of a fit unchanged."""

import numpy as np
from jaxtyping import Float


def directions(generator: np.random.Generator, count: int, dim: int) -> Float[np.ndarray, "n d"]:
    """Uniform directions of unit length."""
    normal = generator.standard_normal((count, dim))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def separate(generator: np.random.Generator) -> np.random.Generator:
    """A generator of other random numbers; the state of the given one does not change.

    Where no further mode is found, the rest of the fit is then the same as without the search.
    """
    return np.random.Generator(generator.bit_generator.jumped())  # type: ignore[attr-defined]
