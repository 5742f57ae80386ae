"""Standard normal noise from a randomized sequence of low discrepancy (Owen 1997)."""

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

#: Bits of the numbers of the sequence; the bits below are random.
BITS = 30


def balanced_noise(
    generator: np.random.Generator, num_draws: int, dim: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, "n d"]]:
    """Uniform numbers and normal vectors that fill the space evenly, in random order.

    Each row has exactly the distribution of independent noise, but the rows repel each other:
    averages over them have smaller errors.  They are the first points of a scrambled Sobol
    sequence in d + 1 dimensions.
    """
    from scipy.stats import qmc  # its import takes a third of a second; see ``preload``

    sequence = qmc.Sobol(dim + 1, bits=BITS, seed=int(generator.integers(2**31)))
    points = sequence.random_base2(max(num_draws - 1, 1).bit_length())[:num_draws]
    points = generator.permutation(points)
    points = points + generator.random(points.shape) / 2.0**BITS
    return points[:, 0], ndtri(points[:, 1:])
