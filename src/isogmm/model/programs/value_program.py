"""The log density of a model without its gradient, as a compiled program of its own."""

import functools
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import jax
import numpy as np
from jax.stages import Compiled
from jaxtyping import Float, PyTree

from isogmm.model.programs.background import compile_in_background
from isogmm.model.programs.bounded_loops import bounded
from isogmm.model.programs.precision import in_precision
from isogmm.model.programs.sharding import jitted, placed, spans_processes
from isogmm.model.programs.tracing import TRACING

#: Rows of a batch.  A call costs a tenth of a millisecond, as much as the values of a hundred rows
#: of a small model.
VALUE_ROWS = 512
#: Options of the compiler.  Optimization takes longer, 0.05 to 0.1 s, than it saves in 100,000 rows
#: of a small model, about 0.04 s.
OPTIONS = {"xla_backend_optimization_level": 0}


@dataclass(frozen=True)
class ValueProgram:
    """Log densities without gradients, for points of which only the best are used.

    Parameters
    ----------
    start
        ``() -> None``: traces the program and compiles it in the background.
    evaluate
        ``(n, d) -> (n,)``, the log densities of any number of rows.
    cost
        ``() -> float``: how many numbers the model computes for one gradient (see
        :class:`isogmm.model.programs.cost.Cost`).  A value costs a third to a half of it.
    """

    start: Callable[[], None]
    evaluate: Callable[[Float[np.ndarray, "n d"]], Float[np.ndarray, " n"]]
    cost: Callable[[], float]


class CompiledValues:
    """The compiled program of a log density, shared by all data sets of the same shapes.

    Parameters
    ----------
    log_density
        ``(position (d,), data) -> scalar``, a pure function.
    dim, dtype, x64
        Length d of a position, its type, and whether the program uses 64-bit floats.
    data_shapes
        Shapes and types of the data.
    """

    def __init__(
        self,
        log_density: Callable[[jax.Array, PyTree], PyTree],
        dim: int,
        dtype: np.dtype,
        x64: bool | None,
        data_shapes: PyTree,
    ) -> None:
        self._function = jax.vmap(bounded(jax.jit(log_density, inline=True)), in_axes=(0, None))
        self._shape = jax.ShapeDtypeStruct((VALUE_ROWS, dim), dtype)
        self._x64, self._data_shapes = x64, data_shapes
        self._compilation: Future[Compiled] | None = None

    @property
    def num_programs(self) -> int:
        """1 after :meth:`start`, before it 0."""
        return int(self._compilation is not None)

    def bind(self, data: PyTree, cost: Callable[[], float]) -> ValueProgram | None:
        """The program with one data set; None if other processes have parts of the data."""
        if any(map(spans_processes, jax.tree.leaves(data))):
            return None
        return ValueProgram(self.start, functools.partial(self._values, data), cost)

    def start(self) -> None:
        """Trace the program in this thread and compile it in the background."""
        if self._compilation is not None:
            return
        with TRACING, in_precision(self._x64):
            if self._compilation is None:
                function = jitted(self._function, self._data_shapes)
                (shape,) = placed((self._shape,), self._data_shapes)
                lowered = function.trace(shape, self._data_shapes).lower()
                self._compilation = compile_in_background(lowered, "values", options=OPTIONS)

    def _values(self, data: PyTree, positions: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
        """The log densities of all rows, in batches; the last batch is padded."""
        self.start()
        assert self._compilation is not None
        program, found = self._compilation.result(), []
        with in_precision(self._x64):
            for begin in range(0, len(positions), VALUE_ROWS):
                rows = np.asarray(positions[begin : begin + VALUE_ROWS], self._shape.dtype)
                padding = np.repeat(rows[:1], VALUE_ROWS - len(rows), axis=0)
                found.append(program(np.concatenate([rows, padding]), data))
        values = [np.asarray(part, dtype=np.float64) for part in found]
        return np.concatenate(values)[: len(positions)] if values else np.empty(0)
