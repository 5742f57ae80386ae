"""Gradients by Gauss-Hermite quadrature, for three dimensions at most."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.optimize.gradients.base import AbstractEstimator

#: Above this the grid has more nodes than any Monte Carlo estimate needs.
LARGEST_DIM = 3


@functools.cache
def _grid(order: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.hermite_e.hermegauss(order)
    weights = weights / weights.sum()
    points = np.stack(np.meshgrid(*[nodes] * dim, indexing="ij"), axis=-1).reshape(-1, dim)
    products = np.stack(np.meshgrid(*[weights] * dim, indexing="ij"), axis=-1)
    return points, products.reshape(-1, dim).prod(axis=-1)


@dataclass(frozen=True)
class GaussHermite(AbstractEstimator):
    """The same nodes for every component and iteration: order^d of them, no noise.

    Exact where δ is a polynomial of degree below 2·order; a steep mixture score converges
    slower (order 20 gives about 6 digits for components two standard deviations apart).

    Parameters
    ----------
    order
        Nodes along one axis.

    Raises
    ------
    OptionError
        If the order is below 2, or (when used) the dimension above 3.
    """

    order: int = 20

    def __post_init__(self) -> None:
        if self.order < 2:
            raise OptionError(f"order must be at least 2, not {self.order}")

    def noise(
        self, generator: np.random.Generator, chains: int, num_components: int, dim: int
    ) -> Float[np.ndarray, "c k s d"]:
        """The nodes, repeated; the generator is not used."""
        points, _ = self._checked_grid(dim)
        return np.broadcast_to(points, (chains, num_components, *points.shape))

    def sample_weights(self, dim: int) -> Float[np.ndarray, " s"]:
        """The product weights of the nodes."""
        return self._checked_grid(dim)[1]

    def _checked_grid(self, dim: int) -> tuple[np.ndarray, np.ndarray]:
        if dim > LARGEST_DIM:
            raise OptionError(
                f"quadrature in {dim} dimensions would take {self.order}^{dim} nodes a component; "
                f"it serves up to {LARGEST_DIM}. Use MonteCarlo instead."
            )
        return _grid(self.order, dim)
