r"""The terms f(x, row) of single rows, for sums in which each row has its own weight.

A term is half of the log density of two copies of the row without the prior.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from isogmm.arrays import Array
from isogmm.model.programs.precision import in_precision
from isogmm.rows.density import FEW, Copies, Expansion, RowDensity


class RowTerms:
    """The terms of the rows of a sample.

    Parameters
    ----------
    density
        The log density as a sum over rows.
    sample
        The arrays of s rows.

    Attributes
    ----------
    num_rows
        Number s of rows.
    inputs
        The inputs of the model, whose arrays of rows have the shape ``(s, 2, ...)``.
    """

    def __init__(self, density: RowDensity, sample: list[np.ndarray]) -> None:
        self._density = density
        self.num_rows = len(sample[0])
        both = density.inputs([np.repeat(array, FEW, 0) for array in sample])
        is_of_rows = jax.tree.map(
            lambda few, many: np.shape(few) != np.shape(many), *density.copies
        )
        self._axes = jax.tree.map(lambda own: 0 if own else None, is_of_rows)
        self.inputs = jax.tree.map(
            lambda own, array: (
                np.reshape(array, (self.num_rows, FEW, *np.shape(array)[1:])) if own else array
            ),
            is_of_rows,
            both,
        )

    def __call__(self, position: Array, inputs: PyTree, copies: Copies) -> Array:
        """The terms ``(s,)`` at a position, a function that JAX traces."""
        pairs = jax.vmap(self._density.log_density, in_axes=(None, self._axes))(position, inputs)
        return (pairs - self._density.prior(position, copies)) / FEW

    def expansion(self, center: Float[np.ndarray, " d"]) -> Expansion:
        """Value, gradient and Hessian of each term, ``(s,)``, ``(s, d)`` and ``(s, d, d)``."""

        def program(center: Array, *arguments: PyTree) -> tuple[Array, Array, Array]:
            def at(x: Array) -> Array:
                return self(x, *arguments)

            def gradients(x: Array) -> Array:
                return jax.lax.map(lambda v: jax.jvp(at, (x,), (v,))[1], directions)

            directions = jnp.eye(len(center), dtype=center.dtype)
            hessians = jax.lax.map(lambda v: jax.jvp(gradients, (center,), (v,))[1], directions)
            return at(center), gradients(center).T, jnp.moveaxis(hessians, -1, 0)

        with in_precision(True):
            where = jnp.asarray(center, dtype=np.float64)
            parts = jax.jit(program)(where, self.inputs, self._density.copies)
            return Expansion(*map(np.asarray, parts))
