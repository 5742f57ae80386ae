r"""The log density of all rows, :math:`\log p(x) + \sum_i f(x, \text{row}_i)`, block by block.

The prior and the term of a row are read off the model: with D(x, a, ..., a) the log density of c
copies of a row a, 2 D(x, a, a) - D(x, a, a, a, a) is the prior.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, PyTree

from isogmm.arrays import Array
from isogmm.model.programs.precision import in_precision
from isogmm.rows.blocks import Block

#: Positions, or columns of a Hessian, that are evaluated together: arrays of 8 positions and a
#: block of 50,000 rows are about 3 MB, which fits into the cache.
TOGETHER = 8
#: The inputs of the model with few and with many copies of the first row.
Copies: TypeAlias = tuple[PyTree, PyTree]

#: Copies of the first row from which the prior is computed.
FEW, MANY = 2, 4


class Expansion(NamedTuple):
    """Value, gradient and Hessian at several centers, ``(m,)``, ``(m, d)`` and ``(m, d, d)``."""

    values: Float[np.ndarray, " m"]
    gradients: Float[np.ndarray, "m d"]
    hessians: Float[np.ndarray, "m d d"]

    def take(self, which: Bool[np.ndarray, " m"] | slice | list[int]) -> "Expansion":
        """The expansions at some of the centers."""
        return Expansion(*(part[which] for part in self))


class RowDensity:
    """The log density of a model as the prior plus a sum over the rows of its data.

    All programs compute in double precision: the log density of a million rows has seven digits
    before the decimal point.

    Parameters
    ----------
    log_density
        ``(position (d,), inputs) -> scalar``, the log density of the model with the data of
        ``inputs``.
    inputs
        The inputs of the model for the arrays of a block.
    first_row
        The arrays of one row of the data.
    """

    def __init__(
        self,
        log_density: Callable[[Array, PyTree], Array],
        inputs: Callable[[list[np.ndarray]], PyTree],
        first_row: list[np.ndarray],
    ) -> None:
        self.log_density, self.inputs = log_density, inputs
        self.copies: Copies = (
            inputs([np.repeat(array, FEW, 0) for array in first_row]),
            inputs([np.repeat(array, MANY, 0) for array in first_row]),
        )
        self._row_values, self._prior_values = _at_positions(self.rows), _at_positions(self.prior)
        self._row_expansions, self._prior_expansions = (
            _expansions(self.rows),
            _expansions(self.prior),
        )

    # --- functions that JAX traces ------------------------------------------------------------

    def prior(self, position: Array, copies: Copies) -> Array:
        """The terms of the log density that do not depend on rows."""
        return _prior_of(*(self.log_density(position, inputs) for inputs in copies))

    def rows(self, position: Array, inputs: PyTree, copies: Copies, padding: Array) -> Array:
        """The sum over the rows of a block without its ``padding`` copies of the first row."""
        few, many = (self.log_density(position, inputs) for inputs in copies)
        of_first_row = (many - few) / (MANY - FEW)
        sum_and_prior = self.log_density(position, inputs)
        return sum_and_prior - _prior_of(few, many) - padding * of_first_row

    # --- passes over the data -----------------------------------------------------------------

    def values(
        self, positions: Float[np.ndarray, "n d"], blocks: Iterable[Block]
    ) -> Float[np.ndarray, " n"]:
        """Log density at many positions, in one pass; -inf where it is not finite."""
        total = np.zeros(len(positions))
        for part in self._calls(self._row_values, positions, blocks):
            total = total + part
        with in_precision(True):
            total = total + np.asarray(self._prior_values(jnp.asarray(positions), self.copies))
        return np.where(np.isfinite(total), total, -np.inf)

    def expansion(self, centers: Float[np.ndarray, "m d"], blocks: Iterable[Block]) -> Expansion:
        """Value, gradient and Hessian of the sum over the rows at some centers, in one pass.

        Rows that are not finite at a center give entries that are not finite.
        """
        totals: list[Any] = [0.0, 0.0, 0.0]
        for parts in self._calls(self._row_expansions, centers, blocks):
            totals = [total + part for total, part in zip(totals, parts, strict=True)]
        return Expansion(*totals)

    def prior_expansion(self, centers: Float[np.ndarray, "m d"]) -> Expansion:
        """Value, gradient and Hessian of the prior at some centers."""
        with in_precision(True):
            parts = self._prior_expansions(jnp.asarray(centers), self.copies)
            return Expansion(*map(np.asarray, parts))

    def _calls(
        self, program: Any, positions: Float[np.ndarray, "n d"], blocks: Iterable[Block]
    ) -> Iterator[Any]:
        """The results of a program for each block.

        A block is read while the program computes the result of the block before.
        """
        pending: Any = None
        for block in blocks:
            padding = np.float64(len(block.arrays[0]) - block.num_rows)
            with in_precision(True):
                where = jnp.asarray(positions, dtype=np.float64)
                result = program(where, self.inputs(block.arrays), self.copies, padding)
            if pending is not None:
                yield jax.tree.map(np.asarray, pending)
            pending = result
        if pending is not None:
            yield jax.tree.map(np.asarray, pending)


def _prior_of(few: Array, many: Array) -> Array:
    """The prior, from the log densities of ``FEW`` and of ``MANY`` copies of a row."""
    return (MANY * few - FEW * many) / (MANY - FEW)


def _at_positions(function: Callable[..., Array]) -> Any:
    """The compiled program of a function of one position, for many positions."""

    def program(positions: Array, *arguments: PyTree) -> Array:
        return jax.lax.map(
            lambda position: function(position, *arguments), positions, batch_size=TOGETHER
        )

    return jax.jit(program)


def _expansions(function: Callable[..., Array]) -> Any:
    """The compiled program of value, gradient and Hessian of a function at many centers."""

    def at(center: Array, *arguments: PyTree) -> tuple[Array, Array, Array]:
        # The function is traced once, which is most of the time of a first call.
        value_and_gradient = jax.value_and_grad(lambda x: function(x, *arguments))
        (value, gradient), change = jax.linearize(value_and_gradient, center)
        directions = jnp.eye(len(center), dtype=center.dtype)
        columns = jax.lax.map(lambda v: change(v)[1], directions, batch_size=TOGETHER)
        return value, gradient, columns

    def program(centers: Array, *arguments: PyTree) -> tuple[Array, Array, Array]:
        return jax.lax.map(lambda center: at(center, *arguments), centers)

    return jax.jit(program)
