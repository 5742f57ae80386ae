"""Programs that contain the model, compiled once each, for models that are JAX functions."""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np

from isogmm.target import Groups, Target

#: Rows of the program that constrains draws; fewer where they would hold more numbers than this.
CONSTRAIN_SIZE, CONSTRAIN_NUMBERS = 500, 2**23
#: A batch of up to this many operations takes about as long as twenty calls of the program of a
#: point, which cost a tenth of a millisecond each whatever they do.
CHEAP_BATCH_FLOPS = 5e6


class JaxPrograms:
    """The compiled programs of a model: one batch, constrained draws, and perhaps one point.

    Where a batch costs little more than a point there is no program for a point: a row of a
    batch serves.  :meth:`few` knows.

    The data are an input of the programs, not a constant in them: a second data set of the
    same shapes is served by the same programs (:meth:`bind`).

    Parameters
    ----------
    log_density
        ``(position (d,), data) -> scalar``, pure.
    generate
        ``(position (d,), key, data) -> {group: {name: array}}``, pure: see ``Target.constrain``.
    dim
        Length d of a position.
    data
        Any pytree of arrays; its shapes and types are fixed from here on.
    batch_size
        Rows of the batch program.
    x64
        True runs the programs with 64-bit floats whatever the global switch says; None leaves
        the precision to it.
    """

    def __init__(
        self,
        log_density: Callable[[jax.Array, Any], jax.Array],
        generate: Callable[[jax.Array, jax.Array, Any], Any],
        dim: int,
        data: Any,
        *,
        batch_size: int = 128,
        x64: bool | None = None,
    ) -> None:
        self.batch_size = batch_size
        self.x64 = x64
        self.num_programs = 0
        self._programs: dict[str, Future] = {}
        self._batch_flops = 0.0
        #: The density as it was given, for what is not one of the three programs.
        self.log_density = log_density
        self.constrain_size = max(1, min(CONSTRAIN_SIZE, CONSTRAIN_NUMBERS // max(dim, 1)))
        value_and_grad = jax.value_and_grad(log_density)
        generate_many = jax.vmap(generate, in_axes=(0, 0, None))

        def constrain(positions: jax.Array, seed: jax.Array, data: Any) -> Any:
            # Keys are made inside: made outside they cost the compilation of eager operations.
            keys = jax.random.split(jax.random.key(seed), self.constrain_size)
            return generate_many(positions, keys, data)

        self._functions = {
            "point": value_and_grad,
            "batch": jax.vmap(value_and_grad, in_axes=(0, None)),
            "constrain": constrain,
        }
        with self.precision():
            self.dtype = jax.dtypes.canonicalize_dtype(np.float64)
            self._data_like = jax.tree.map(
                lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.result_type(leaf)),
                data,
            )
        struct = jax.ShapeDtypeStruct
        self._shapes = {
            "point": (struct((dim,), self.dtype),),
            "batch": (struct((batch_size, dim), self.dtype),),
            "constrain": (struct((self.constrain_size, dim), self.dtype), struct((), np.uint32)),
        }

    def precision(self) -> contextlib.AbstractContextManager:
        """The context in which the programs are traced and called."""
        return contextlib.nullcontext() if self.x64 is None else jax.enable_x64(self.x64)

    def start(self, *names: str) -> None:
        """Trace the programs here, one after the other, and compile them in the background.

        Tracing stays in the calling thread because modeling languages keep global handler
        stacks; compilation releases the interpreter, so two programs use two cores.

        Parameters
        ----------
        names
            Of ``"point"``, ``"batch"``, ``"constrain"``; all where none is given.
        """
        for name in names or self._functions:
            self._begin(name)

    def _begin(self, name: str) -> Future:
        if name not in self._programs:
            with self.precision():
                lowered = jax.jit(self._functions[name]).lower(*self._shapes[name], self._data_like)
            if name == "batch":
                self._batch_flops = (lowered.cost_analysis() or {}).get("flops", 0.0)
            self.num_programs += 1
            # Draws are constrained last: that program leaves the cores to the others at first.
            ahead = list(self._programs.values()) if name == "constrain" else []

            def compiled() -> Any:
                wait(ahead)
                return lowered.compile()

            executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"isogmm-{name}")
            self._programs[name] = executor.submit(compiled)
            executor.shutdown(wait=False)
        return self._programs[name]

    def program(self, name: str) -> Callable[..., Any]:
        """The compiled program, compiling it now if nobody asked before."""
        return self._begin(name).result()

    def few(self) -> int:
        """How many positions are better evaluated one by one: none where batches are cheap."""
        self._begin("batch")
        return 0 if self._batch_flops <= CHEAP_BATCH_FLOPS else self.batch_size // 4

    def prepare(self) -> None:
        """Start what a fit needs; the program of a point only where batches are not cheap."""
        self.start(*(("batch", "point") if self.few() else ("batch",)), "constrain")

    def bind(self, data: Any) -> dict[str, Any]:
        """The fields of a :class:`Target` that contain the model, for one data set."""
        with self.precision():
            data = jax.tree.map(
                lambda leaf, like: (
                    jax.device_put(np.asarray(leaf, dtype=like.dtype))
                    if not jax.dtypes.issubdtype(like.dtype, jax.dtypes.extended)
                    else leaf
                ),
                data,
                self._data_like,
            )

        def evaluate(name: str, positions: np.ndarray) -> tuple[Any, Any]:
            with self.precision():
                return self.program(name)(np.asarray(positions, dtype=self.dtype), data)

        def evaluate_point(position: np.ndarray) -> tuple[Any, Any]:
            if self.few():
                return evaluate("point", position)
            values, gradients = evaluate("batch", np.tile(position, (self.batch_size, 1)))
            return np.asarray(values)[0], np.asarray(gradients)[0]

        def constrain(positions: np.ndarray, seed: int) -> Groups:
            return self._constrain(np.asarray(positions, dtype=self.dtype), seed, data)

        return {
            "evaluate_point": evaluate_point,
            "evaluate_batch": lambda positions: evaluate("batch", positions),
            "constrain": constrain,
            "prepare": self.prepare,
            "few": self.few,
            "num_programs": lambda: self.num_programs,
            "log_density": lambda position: self.log_density(position, data),
            "precision": self.precision,
            "single_precision": np.dtype(self.dtype) == np.float32,
        }

    def _constrain(self, positions: np.ndarray, seed: int, data: Any) -> Groups:
        chunks = []
        rows = self.constrain_size
        with self.precision():
            program = self.program("constrain")
            for begin in range(0, len(positions), rows):
                chunk = positions[begin : begin + rows]
                size = len(chunk)
                if size < rows:
                    chunk = np.concatenate([chunk, np.repeat(chunk[:1], rows - size, 0)])
                groups = program(chunk, np.uint32((seed + begin) % 2**32), data)
                chunks.append(jax.tree.map(lambda leaf, size=size: np.asarray(leaf)[:size], groups))
        return jax.tree.map(lambda *parts: np.concatenate(parts), *chunks)


def jax_target(programs: JaxPrograms, data: Any, **fields: Any) -> Target:
    """A target whose model is compiled in ``programs``, bound to ``data``.

    ``fields`` are those of :class:`Target` that do not contain the model: variables,
    initial_positions, dims, coords, observed_data, constant_data, library, library_version.
    """
    return Target(batch_size=programs.batch_size, **programs.bind(data), **fields)
