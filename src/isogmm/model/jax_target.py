"""Targets of models that are JAX functions; each program is compiled once."""

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr
from jax.stages import Compiled
from jaxtyping import Float, PyTree

from isogmm.arrays import Array, size_of
from isogmm.model.prior import draws_or_nan
from isogmm.model.programs.background import compile_in_background
from isogmm.model.programs.bounded_loops import bounded
from isogmm.model.programs.chunks import in_chunks
from isogmm.model.programs.cost import Cost, cost_of, largest_bytes
from isogmm.model.programs.precision import in_precision
from isogmm.model.programs.sharding import jitted, on_device, placed, shapes_of, spans_processes
from isogmm.model.programs.size import (
    batch_rows,
    compiler_options,
    constrain_rows,
    max_single_points,
)
from isogmm.model.programs.tracing import TRACING
from isogmm.model.programs.value_program import CompiledValues
from isogmm.model.target import BatchEvaluation, Groups, ModelFields, PointEvaluation, Target

#: The programs of a model.
Program: TypeAlias = Literal["point", "batch", "constrain", "prior"]

#: Rows of the program that draws from the prior.  It computes one row after the other, so that
#: models with large arrays need the memory of one row, and padding costs at most as many rows.
PRIOR_ROWS = 64


class JaxPrograms:
    """The compiled programs of a model: a batch, constrained draws, and sometimes a point.

    If a batch costs little more than a point, the point is evaluated as a row of a batch and has
    no program; see :meth:`few`.  The model is traced once for both programs.

    The data are an input, so that data sets of the same shapes share the programs (:meth:`bind`).

    Parameters
    ----------
    log_density
        ``(position (d,), data) -> scalar``, a pure function.
    generate
        ``(position (d,), key, data) -> {group: {name: array}}``, a pure function; see
        ``Target.constrain``.
    dim
        Length d of a position.
    data
        A pytree of arrays.  It fixes the shapes and types of all data sets.
    batch_size
        Rows of the batch program; None chooses them by the cost of a row.
    x64
        Whether the programs use 64-bit floats; None follows JAX's global switch.
    draw_prior
        ``(seed, data) -> position (d,)``, a pure function that draws from the prior; None if the
        model has no prior.  Its program is compiled when it is called.
    """

    def __init__(
        self,
        log_density: Callable[[jax.Array, PyTree], PyTree],
        generate: Callable[[jax.Array, jax.Array, PyTree], PyTree],
        dim: int,
        data: PyTree,
        *,
        batch_size: int | None = None,
        x64: bool | None = None,
        draw_prior: Callable[[jax.Array, PyTree], PyTree] | None = None,
    ) -> None:
        self.log_density = log_density  # for callers that trace it themselves
        self.dim, self.x64 = dim, x64
        self.num_programs = 0
        self._batch_size = batch_size
        self._compilations: dict[Program, Future[Compiled]] = {}
        with self.precision():
            self.dtype = jax.dtypes.canonicalize_dtype(np.float64)
            self._data_shapes = shapes_of(data)
        self.values = CompiledValues(log_density, dim, self.dtype, x64, self._data_shapes)
        # The inner jit caches its trace, also for a batch.
        self._value_and_grad = jax.jit(jax.value_and_grad(log_density), inline=True)
        self._generate = jax.jit(generate, inline=True)
        point = bounded(self._value_and_grad)
        self._functions: dict[Program, Callable[..., PyTree]] = {
            "point": point,
            "batch": jax.vmap(point, in_axes=(0, None)),
            "constrain": self._generate_many,
        }
        if draw_prior is not None:
            self._functions["prior"] = lambda seeds, data: jax.lax.map(
                lambda seed: draw_prior(seed, data), seeds
            )

    def _generate_many(self, positions: jax.Array, seed: jax.Array, data: PyTree) -> PyTree:
        # Keys made outside the program would need the compilation of further operations.
        keys = jax.random.split(jax.random.key(seed), self.constrain_size)
        row = bounded(self._generate)
        return jax.vmap(row, in_axes=(0, 0, None))(positions, keys, data)

    def precision(self) -> contextlib.AbstractContextManager:
        """The context in which the programs are traced and called."""
        return in_precision(self.x64)

    @functools.cached_property
    def cost(self) -> Cost:
        """What one row computes."""
        return cost_of(self.point_program.jaxpr)

    @functools.cached_property
    def point_program(self) -> ClosedJaxpr:
        """The program of a point, not compiled."""
        with TRACING, self.precision():
            return self._value_and_grad.trace(*self._shapes("point"), self._data_shapes).jaxpr

    @functools.cached_property
    def batch_size(self) -> int:
        """Rows of the batch program, fixed at the first use."""
        if self._batch_size is not None:
            return self._batch_size
        return batch_rows(self.cost, largest_bytes(self.point_program.jaxpr))

    @functools.cached_property
    def constrain_size(self) -> int:
        """Rows that are constrained together, by the size of their results and their cost."""
        results = sum(size_of(leaf.shape) for leaf in jax.tree.leaves(self._generated_shapes))
        return constrain_rows(max(self.dim, results), self.cost)

    @functools.cached_property
    def _generated_shapes(self) -> PyTree:
        """Shapes and types of the generated values of one row."""
        with TRACING, self.precision():
            key = jax.eval_shape(jax.random.key, np.uint32(0))
            return jax.eval_shape(self._generate, *self._shapes("point"), key, self._data_shapes)

    def placeholder(self) -> Groups:
        """Zeros of the shapes and types of the generated values of one row."""
        return jax.tree.map(
            lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), (1, *leaf.shape)),
            self._generated_shapes,
        )

    def few(self) -> int:
        """Up to how many positions are cheaper one at a time; 0 if batches are cheap."""
        return max_single_points(self.batch_size, self.cost)

    def _shapes(self, name: Program) -> tuple[jax.ShapeDtypeStruct, ...]:
        """Shapes of the arguments of a program, without the data."""
        if name == "point":
            return (jax.ShapeDtypeStruct((self.dim,), self.dtype),)
        if name == "batch":
            return (jax.ShapeDtypeStruct((self.batch_size, self.dim), self.dtype),)
        if name == "prior":
            return (jax.ShapeDtypeStruct((PRIOR_ROWS,), np.uint32),)
        positions = jax.ShapeDtypeStruct((self.constrain_size, self.dim), self.dtype)
        return positions, jax.ShapeDtypeStruct((), np.uint32)

    def prepare(self) -> None:
        """Start the programs that a fit needs; that of a point only if batches are costly."""
        costly: tuple[Program, ...] = ("point",) if self.few() else ()
        self.start("batch", *costly, "constrain")

    def wait(self) -> None:
        """Wait for the programs that a search needs."""
        self.program("batch")
        if self.few():
            self.program("point")

    def start(self, *names: Program) -> None:
        """Trace programs in this thread and compile them in the background.

        Modeling languages have global stacks of handlers, so tracing stays in the calling thread.

        Parameters
        ----------
        names
            Any of ``"point"``, ``"batch"``, ``"constrain"`` and ``"prior"``.
        """
        for name in names:
            self._compilation(name)

    def program(self, name: Program) -> Callable[..., PyTree]:
        """The compiled program; compiles it if :meth:`start` was not called for it."""
        return self._compilation(name).result()

    def _compilation(self, name: Program) -> Future[Compiled]:
        """The compilation of a program, started at the first call."""
        if name in self._compilations:  # without waiting for models that other threads trace
            return self._compilations[name]
        with TRACING:
            return self._traced(name)

    def _traced(self, name: Program) -> Future[Compiled]:
        """The compilation of a program, for the thread that may trace."""
        if name not in self._compilations:
            with self.precision():
                function = jitted(self._functions[name], self._data_shapes)
                arguments = placed(self._shapes(name), self._data_shapes, points=name == "batch")
                traced = function.trace(*arguments, self._data_shapes)
                lowered = traced.lower()
            self.num_programs += 1
            options = compiler_options(name, cost_of(traced.jaxpr.jaxpr))
            # Draws are constrained at the end of a fit: the other programs compile first.
            after = list(self._compilations.values()) * (name == "constrain")
            future = compile_in_background(lowered, name, after=after, options=options)
            self._compilations[name] = future
        return self._compilations[name]

    def bind(self, data: PyTree) -> ModelFields:
        """The fields of a :class:`Target` that contain the model, for one data set."""
        with self.precision():
            bound = _BoundPrograms(self, jax.tree.map(on_device, data, self._data_shapes))
        return {
            "evaluate_point": bound.evaluate_point,
            "evaluate_batch": bound.evaluate_batch,
            "evaluate_row": functools.partial(bound.call, "point"),
            "value_program": self.values.bind(bound.data, lambda: self.cost.numbers),
            "spans_processes": any(map(spans_processes, jax.tree.leaves(data))),
            "constrain": bound.constrain,
            "placeholder": self.placeholder,
            "batch_size": self.batch_size,
            "prepare": self.prepare,
            "wait": self.wait,
            "few": self.few,
            "num_programs": lambda: self.num_programs + self.values.num_programs,
            "log_density": bound.log_density,
            "precision": self.precision,
            "single_precision": np.dtype(self.dtype) == np.float32,
            "prior_positions": bound.prior_positions if "prior" in self._functions else None,
        }


@dataclass(frozen=True)
class _BoundPrograms:
    """The programs of a model with one data set."""

    programs: JaxPrograms
    data: PyTree

    def call(self, name: Program, positions: np.ndarray, *arguments: np.uint32) -> PyTree:
        with self.programs.precision():
            positions = np.asarray(positions, dtype=self.programs.dtype)
            return self.programs.program(name)(positions, *arguments, self.data)

    def evaluate_point(self, position: Float[np.ndarray, " d"]) -> PointEvaluation:
        if self.programs.few():
            return self.call("point", position)
        values, gradients = self.evaluate_batch(np.tile(position, (self.programs.batch_size, 1)))
        return np.asarray(values)[0], np.asarray(gradients)[0]

    def evaluate_batch(self, positions: Float[np.ndarray, "n d"]) -> BatchEvaluation:
        return self.call("batch", positions)

    def log_density(self, position: Float[Array, " d"]) -> Array:
        return self.programs.log_density(position, self.data)

    def constrain(self, positions: Float[np.ndarray, "n d"], seed: int) -> Groups:
        """All draws; see ``Target.constrain``."""
        call = functools.partial(self.call, "constrain")
        return in_chunks(call, positions, seed, self.programs.constrain_size)

    def prior_positions(self, generator: np.random.Generator, n: int) -> Float[np.ndarray, "n d"]:
        """Draws of the prior; see ``Target.prior_positions``."""
        return draws_or_nan(self._draw_prior, self.programs.dim, generator, n)

    def _draw_prior(self, generator: np.random.Generator, n: int) -> Float[np.ndarray, "n d"]:
        def rows(seeds: np.ndarray, _: np.uint32) -> jax.Array:
            with self.programs.precision():
                return self.programs.program("prior")(seeds, self.data)

        # A row depends on its own seed alone, not on the number of rows.
        return in_chunks(rows, generator.integers(2**32, size=n, dtype=np.uint32), 0, PRIOR_ROWS)


def jax_target(programs: JaxPrograms, data: PyTree, **fields: Any) -> Target:
    """A target whose model is compiled in ``programs``, with one data set.

    Parameters
    ----------
    programs
        The compiled programs.
    data
        A pytree of arrays with the shapes of the programs.
    **fields
        The fields of :class:`Target` that do not contain the model: variables, initial_positions,
        dims, coords, observed_data, constant_data, library, library_version.
    """
    return Target(**programs.bind(data), **fields)
