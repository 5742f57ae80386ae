"""The interface between a model and the library: a compiled log density with names and labels."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from isogmm.arrays import Array, entry_names, size_of, split
from isogmm.errors import ModelError
from isogmm.model.fields import BatchEvaluation as BatchEvaluation
from isogmm.model.fields import DensityOfData as DensityOfData
from isogmm.model.fields import DrawPositions as DrawPositions
from isogmm.model.fields import Groups as Groups
from isogmm.model.fields import Hyperparameters as Hyperparameters
from isogmm.model.fields import Maximize as Maximize
from isogmm.model.fields import ModelFields as ModelFields
from isogmm.model.fields import PointEvaluation as PointEvaluation
from isogmm.model.programs.value_program import ValueProgram

#: Rows of a batch with their log densities and gradients, padding included.
Chunk: TypeAlias = tuple[slice, float | np.floating | Array, Array]

#: Number of chunks that JAX evaluates while the result of the first is awaited.
MAX_PENDING_CHUNKS = 3


def names_of_coordinates(shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """One name for each flat coordinate of variables of these shapes: ``mu``, ``theta[0]``."""
    return [entry for name, shape in shapes.items() for entry in entry_names(name, shape)]


def _unchanged(result: Any) -> Any:
    return result


@dataclass(kw_only=True, eq=False)
class Target:
    """A log density on R^d with its gradient, and the names and labels of its variables.

    A target has two compiled functions of the model, one for a single point and one for a batch
    of fixed size.  The rest of the library calls :meth:`evaluate`.  Adapters make targets, and
    :func:`isogmm.model.jax_target.jax_target` makes one from JAX functions.

    Parameters
    ----------
    variables
        Shapes of the unconstrained variables by name, in flat order.  The names are those of the
        posterior group.  A shape can differ from the constrained shape: a simplex of 3 has (2,).
        The sizes sum to the dimension d, and each variable is laid out in C order.
    evaluate_point
        ``(d,) -> (log density, gradient (d,))``.  The log density is unnormalized, at an
        unconstrained position, and includes the log-determinants of the transforms.  Where it is
        not finite the function may return any value, but it must not raise: :meth:`evaluate`
        replaces such values by -inf with a zero gradient.
    evaluate_batch
        ``(batch_size, d) -> ((batch_size,), (batch_size, d))``, always called with exactly
        ``batch_size`` rows.
    constrain
        ``(positions (n, d), seed) -> groups``.  ``"posterior"`` has every latent and
        deterministic variable on the user's scale, ``"log_likelihood"`` one entry for each
        observed variable, and ``"log_prior"`` one entry for each free variable.  The last two
        may be missing.  Each array has a leading axis n.  The seed is for random numbers that
        the model itself draws (discrete sites); the same seed must give the same arrays.
    initial_positions
        ``(generator, n) -> (n, d)``, starting points that are more dispersed than the posterior
        is likely to be, usually uniform on (-2, 2).  Their density need not be finite.
    dims, coords
        Names of the dimensions of each variable, without chain and draw, and the labels of each
        dimension.  Observed variables and data are included.  The name None stands for a
        dimension without a name.
    observed_data, constant_data
        What the converter of the modeling language stores in the groups of the same names.
    library, library_version
        The modeling language, for the attributes of the result.
    batch_size
        Number of rows of ``evaluate_batch``.
    few
        ``() -> n``: up to n positions are cheaper one at a time than in a padded batch.
    evaluate_row
        As ``evaluate_point``, by a program that evaluates one row.  Workers of an executor use it,
        because its result does not depend on other rows.  None stands for ``evaluate_point``.
    evaluate_rows
        ``(n, d) -> ((n,), (n, d))``, where workers evaluate the model; None: in batches, here.
    value_program
        The program of the log density without its gradient; None if there is none.
    spans_processes
        Whether several processes share the data and evaluate the model together.
    finish
        Last change of the finished result by the modeling language.  Bambi renames and recenters
        variables here.
    prepare
        Called once when a fit begins; it may compile the programs in the background.
    wait
        Called once before the search; waits for the programs that it needs.
    num_programs
        Number of compiled programs that contain the model.
    unconstrained_dims
        Names of the dimensions of the unconstrained variables that differ from ``dims``.
    log_density
        ``(d,) -> scalar``, the same density as a function that JAX can trace inside
        ``precision()``; None if there is no such function.
    precision
        The context in which JAX has the precision of the model.
    hyperparameters
        ``maximize -> Hyperparameters``: those named, with their supports if ``maximize`` is a
        mapping.  None selects those that the model declares.  The field is None for a model
        without hyperparameters.
    single_precision
        Whether the model computes with 32-bit floats.
    prior_positions
        ``(generator, n) -> (n, d)``: draws of the prior in unconstrained coordinates.  A variable
        without a proper prior gets values as in ``initial_positions``.  Rows may be non-finite:
        a whole row where the draw fails, or entries at the boundary of a support.  The function
        must not raise, and it evaluates no likelihood.  Its program is compiled at the first call.
        The field is None where the language provides no prior.
    placeholder
        ``() -> groups``, arrays of the shapes and types that ``constrain`` returns for one
        position, with any values.  The options of a result are checked with them before the fit.
        None if the shapes are not known without a call of ``constrain``.
    explain
        ``positions (n, d) -> text``, sentences that name the terms of the log density that are
        not finite at these positions; None if the terms are finite or unknown.
    notes
        Sentences about the model that the report shows before the advice.
    density_of_data
        The log density as a function of the position and the data, for :func:`isogmm.fit_rows`;
        None where there is no such function.
    has_gradient
        Whether the functions return gradients.  If not, they may return any array of shape (d,) or
        (n, d) in place of a gradient.  :meth:`evaluate` then raises an error, and :meth:`values`
        is used.
    """

    variables: Mapping[str, tuple[int, ...]]
    evaluate_point: Callable[[np.ndarray], PointEvaluation]
    evaluate_batch: Callable[[np.ndarray], BatchEvaluation]
    constrain: Callable[[np.ndarray, int], Groups]
    initial_positions: DrawPositions
    dims: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    coords: Mapping[str, Iterable[object]] = field(default_factory=dict)
    observed_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    constant_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    library: str = "isogmm"
    library_version: str = ""
    batch_size: int = 128
    few: Callable[[], int] = lambda: 2
    evaluate_row: Callable[[np.ndarray], PointEvaluation] | None = None
    evaluate_rows: Callable[[np.ndarray], BatchEvaluation] | None = None
    value_program: ValueProgram | None = None
    spans_processes: bool = False
    finish: Callable[[Any], Any] = _unchanged
    prepare: Callable[[], None] = lambda: None
    wait: Callable[[], None] = lambda: None
    num_programs: Callable[[], int] = lambda: 0
    unconstrained_dims: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    log_density: Callable[[Array], Array] | None = None
    precision: Callable[[], AbstractContextManager] = nullcontext
    hyperparameters: Callable[[Maximize], Hyperparameters] | None = None
    single_precision: bool = False
    prior_positions: DrawPositions | None = None
    placeholder: Callable[[], Groups] | None = None
    explain: Callable[[np.ndarray], str | None] = lambda positions: None
    notes: Sequence[str] = ()
    density_of_data: DensityOfData | None = None
    has_gradient: bool = True
    _max_pending: int = field(default=MAX_PENDING_CHUNKS, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.dim < 1:
            raise ModelError(
                "the model has no free continuous parameter: there is nothing to fit. "
                "Add a latent variable, or check that not all of them are observed."
            )

    @cached_property
    def dim(self) -> int:
        """Dimension d of the unconstrained space."""
        return sum(size_of(shape) for shape in self.variables.values())

    @property
    def coordinate_names(self) -> list[str]:
        """One name for each flat coordinate: ``mu``, ``theta[0]``, ``beta[1, 2]``."""
        return names_of_coordinates(self.variables)

    @property
    def coordinate_labels(self) -> list[str]:
        """One name for each flat coordinate, with the user's labels: ``theta[Choate]``.

        A dimension whose size the transform changes, such as that of a simplex, has numbers.
        """
        found = []
        for name, shape in self.variables.items():
            dims = self.unconstrained_dims.get(name, self.dims.get(name, ()))
            dims = (dims,) if isinstance(dims, str) else dims
            labels = [None if dim is None else self.coords.get(dim) for dim in dims]
            found += entry_names(name, shape, labels)
        return found

    def evaluate(
        self, positions: Float[np.ndarray, "*n d"]
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n d"]]:
        """Log density and gradient at one point or at many, in float64.

        Many points are evaluated in batches, the last one padded.  Up to ``few()`` points are
        evaluated one at a time.  If the log density or any entry of its gradient is not finite,
        the log density returned is ``-inf`` and the gradient zero.

        Raises
        ------
        ModelError
            If the target has no gradient.
        """
        if not self.has_gradient:
            raise ModelError(
                "the log density has no gradient (gradient=False), and this method needs one. "
                "isogmm.fit_isogmm fits a log density without it; for other methods pass gradient= "
                "or value_and_grad=, or write the function with jax.numpy."
            )
        values, gradients = self._evaluated(positions)
        assert gradients is not None
        return values, gradients

    def values(self, positions: Float[np.ndarray, "*n d"]) -> Float[np.ndarray, "*n"]:
        """Log density at one point or at many, ``-inf`` where it is not finite.

        A target with a gradient evaluates it, too: the values are those of :meth:`evaluate`.
        """
        return self._evaluated(positions, keep_gradients=False)[0]

    def values_alone(self, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """As :meth:`values`, by the program without gradients, which the target must have."""
        assert self.value_program is not None
        values = self.value_program.evaluate(positions)
        return np.where(np.isfinite(values), values, -np.inf)

    def _evaluated(
        self, positions: Float[np.ndarray, "*n d"], *, keep_gradients: bool = True
    ) -> tuple[Float[np.ndarray, "*n"], Float[np.ndarray, "*n d"] | None]:
        """Values and gradients (zeros where there are none), or None in place of the gradients."""
        positions = np.asarray(positions)
        if positions.shape[-1] != self.dim:
            raise ModelError(
                f"positions have {positions.shape[-1]} coordinates, but the model has {self.dim}"
            )
        flat = positions.reshape(-1, self.dim)
        values, sums = np.empty(len(flat)), np.empty(len(flat))
        gradients = np.empty(flat.shape) if keep_gradients else None
        for rows, value, gradient in self._evaluate_chunks(flat):
            count = rows.stop - rows.start
            values[rows] = np.atleast_1d(value)[:count]
            gradient = np.atleast_2d(gradient)[:count]
            # The sum of a gradient is NaN or infinite if any of its entries is.
            with np.errstate(over="ignore", invalid="ignore"):
                sums[rows] = gradient.sum(axis=-1, dtype=np.float64)
            if gradients is not None:
                gradients[rows] = gradient
        is_finite = np.isfinite(values) & np.isfinite(sums)
        values[~is_finite] = -np.inf
        shape = positions.shape[:-1]
        if gradients is None:
            return values.reshape(shape), None
        gradients[~is_finite] = 0.0
        return values.reshape(shape), gradients.reshape(positions.shape)

    def _evaluate_chunks(self, positions: Float[np.ndarray, "n d"]) -> Iterator[Chunk]:
        """The results of all rows in chunks.

        JAX returns before a result is computed, so several chunks are requested ahead.
        """
        if self.evaluate_rows is not None:
            yield (slice(0, len(positions)), *self.evaluate_rows(positions))
            return
        size = 1 if len(positions) <= self.few() else self.batch_size
        pending: deque[Chunk] = deque()
        for begin in range(0, len(positions), size):
            rows = slice(begin, min(begin + size, len(positions)))
            pending.append((rows, *self._evaluate_chunk(positions[rows], size)))
            if len(pending) > self._max_pending:
                yield pending.popleft()
        yield from pending

    def _evaluate_chunk(
        self, chunk: Float[np.ndarray, "n d"], size: int
    ) -> PointEvaluation | BatchEvaluation:
        """One row by ``evaluate_point`` if ``size`` is 1, else rows padded to ``size``."""
        if size == 1:
            return self.evaluate_point(chunk[0])
        if len(chunk) < size:
            chunk = np.concatenate([chunk, np.repeat(chunk[:1], size - len(chunk), 0)])
        return self.evaluate_batch(chunk)

    def unravel(self, positions: Float[np.ndarray, "*n d"]) -> dict[str, np.ndarray]:
        """Split flat positions into the unconstrained variables; leading axes are kept."""
        return dict(zip(self.variables, split(positions, self.variables.values()), strict=True))
