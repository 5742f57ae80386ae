"""Programs that contain the model, compiled once each, for models that are JAX functions."""

import contextlib
import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np

from isogmm.model.precision import in_precision
from isogmm.model.program_cost import Cost, cost_of
from isogmm.model.target import Groups, Target

#: Rows of the program that constrains draws; fewer where they would hold more numbers than this.
CONSTRAIN_SIZE, CONSTRAIN_NUMBERS = 500, 2**23
#: Rows of a batch; fewer for models with loops or factorizations whose rows compute more than so
#: many numbers: they cost the same each, and padding costs less.  Microseconds a row among 32 and
#: among 128: gp_pois_regr (17,000 numbers) 6.4 and 5.2, one_comp_mm_elim_abs (62,000) 26 and 30,
#: a hidden Markov model (59,000) 45 and 45; below, a GARCH model (7,700) 7.8 and 3.6.
ROWS, ROWS_OF_LOOPS, COSTLY_LOOPS = 128, 32, 15_000
#: A batch of this many numbers takes about as long as twenty calls of the program of a point,
#: which cost a tenth of a millisecond each whatever they do.
COSTLY_BATCH = 8_000_000
#: Draws are constrained once: where that takes milliseconds optimizing the program for longer does
#: not pay (eight schools: 0.15 s of processor time, seeds: 0.25).
CHEAP_CONSTRAIN = 20_000_000


class JaxPrograms:
    """The compiled programs of a model: one batch, constrained draws, and perhaps one point.

    Where a batch costs little more than a point there is no program for a point: a row of a
    batch serves.  :meth:`few` knows.  The model is traced once for both.

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
        Rows of the batch program; None chooses by what a row computes.
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
        batch_size: int | None = None,
        x64: bool | None = None,
    ) -> None:
        self.x64 = x64
        self.num_programs = 0
        self._programs: dict[str, Future] = {}
        #: The density as it was given, for what is not one of the three programs.
        self.log_density = log_density
        # The inner jits remember their traces, for many rows too.
        value_and_grad = jax.jit(jax.value_and_grad(log_density), inline=True)
        self._generate = jax.jit(generate, inline=True)
        generate_many = jax.vmap(self._generate, in_axes=(0, 0, None))

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
        self.dim, self._batch_size = dim, batch_size

    def precision(self) -> contextlib.AbstractContextManager:
        """The context in which the programs are traced and called."""
        return in_precision(self.x64)

    @functools.cached_property
    def constrain_size(self) -> int:
        """Rows that are constrained at a time: by what one of them holds, data included."""
        with self.precision():
            position = jax.ShapeDtypeStruct((self.dim,), self.dtype)
            key = jax.eval_shape(jax.random.key, np.uint32(0))
            groups = jax.eval_shape(self._generate, position, key, self._data_like)
        held = sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(groups))
        return max(1, min(CONSTRAIN_SIZE, CONSTRAIN_NUMBERS // max(self.dim, held)))

    @functools.cached_property
    def cost(self) -> Cost:
        """What a row computes; the model is traced for it."""
        with self.precision():
            position = jax.ShapeDtypeStruct((self.dim,), self.dtype)
            traced = self._functions["point"].trace(position, self._data_like)
        return cost_of(traced.jaxpr.jaxpr)

    @functools.cached_property
    def batch_size(self) -> int:
        """Rows of the batch program; decided once, as its shape is."""
        if self._batch_size is not None:
            return self._batch_size
        # An accelerator takes the rows of a batch together, loops or not.
        if jax.default_backend() != "cpu":
            return ROWS
        is_costly = self.cost.has_loops and self.cost.numbers > COSTLY_LOOPS
        return ROWS_OF_LOOPS if is_costly else ROWS

    def _shapes(self, name: str) -> tuple[jax.ShapeDtypeStruct, ...]:
        """Of the arguments of a program, the data excepted."""
        # Only the one that is asked for: what generates values may not be known yet.
        rows: tuple[int, ...] = ()
        if name != "point":
            rows = (self.batch_size if name == "batch" else self.constrain_size,)
        positions = jax.ShapeDtypeStruct((*rows, self.dim), self.dtype)
        seed = (jax.ShapeDtypeStruct((), np.uint32),) if name == "constrain" else ()
        return (positions, *seed)

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
                function = jax.jit(self._functions[name])
                traced = function.trace(*self._shapes(name), self._data_like)
                lowered = traced.lower()
            options = None
            if name == "constrain" and cost_of(traced.jaxpr.jaxpr).numbers < CHEAP_CONSTRAIN:
                options = {"xla_backend_optimization_level": 0}
            self.num_programs += 1
            # Draws are constrained last: that program leaves the cores to the others at first.
            ahead = list(self._programs.values()) if name == "constrain" else []

            def compiled() -> Any:
                wait(ahead)
                return lowered.compile(compiler_options=options)

            executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"isogmm-{name}")
            self._programs[name] = executor.submit(compiled)
            executor.shutdown(wait=False)
        return self._programs[name]

    def program(self, name: str) -> Callable[..., Any]:
        """The compiled program, compiling it now if nobody asked before."""
        return self._begin(name).result()

    def few(self) -> int:
        """How many positions are better evaluated one by one: none where batches are cheap."""
        return self.batch_size // 4 if self.batch_size * self.cost.numbers > COSTLY_BATCH else 0

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
            "batch_size": self.batch_size,
            "prepare": self.prepare,
            "few": self.few,
            "num_programs": lambda: self.num_programs,
            "log_density": lambda position: self.log_density(position, data),
            "precision": self.precision,
            "single_precision": np.dtype(self.dtype) == np.float32,
        }

    def _constrain(self, positions: np.ndarray, seed: int, data: Any) -> Groups:
        whole: Any = None
        rows = self.constrain_size
        with self.precision():
            program = self.program("constrain")
            for begin in range(0, len(positions), rows):
                chunk = positions[begin : begin + rows]
                size = len(chunk)
                if size < rows:
                    chunk = np.concatenate([chunk, np.repeat(chunk[:1], rows - size, 0)])
                groups = program(chunk, np.uint32((seed + begin) % 2**32), data)
                if whole is None:
                    # Filled piece by piece: the log likelihood may be the largest array there is.
                    whole = jax.tree.map(
                        lambda leaf: np.empty((len(positions), *leaf.shape[1:]), leaf.dtype), groups
                    )
                for array, leaf in zip(
                    jax.tree.leaves(whole), jax.tree.leaves(groups), strict=True
                ):
                    array[begin : begin + size] = np.asarray(leaf)[:size]
        return whole


def jax_target(programs: JaxPrograms, data: Any, **fields: Any) -> Target:
    """A target whose model is compiled in ``programs``, bound to ``data``.

    ``fields`` are those of :class:`Target` that do not contain the model: variables,
    initial_positions, dims, coords, observed_data, constant_data, library, library_version.
    """
    return Target(**programs.bind(data), **fields)
