"""From PyTensor graphs to JAX functions, without a trace in the process's settings."""

import contextlib
import functools
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class NoJaxFormError(Exception):
    """Operations of a graph that PyTensor cannot express in JAX."""

    def __init__(self, operations: Sequence[str]) -> None:
        self.operations = tuple(operations)
        super().__init__(", ".join(self.operations))


@functools.cache
def jax_table() -> Callable[..., Any]:
    """PyTensor's table of JAX forms, completed with what PyMC models need.

    Importing it switches JAX to 64 bits for the whole process; the switch is put back here.
    This happens in a thread of its own, because a thread sees the global switch and not the
    ``jax.enable_x64`` context that a caller may be in.
    """
    failures: list[BaseException] = []

    def import_quietly() -> None:
        switch = jax.config.jax_enable_x64
        try:
            import pytensor.link.jax.dispatch  # noqa: F401
        except BaseException as error:
            failures.append(error)
        finally:
            jax.config.update("jax_enable_x64", switch)

    thread = threading.Thread(target=import_quietly)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    from pytensor.link.jax.dispatch import jax_funcify

    _complete(jax_funcify)
    return jax_funcify


def jaxify(
    inputs: Sequence[Any], outputs: Sequence[Any], *, check_bounds: bool
) -> Callable[..., Any]:
    """The JAX function of a PyTensor graph.

    The graph goes through PyTensor's rewrites for JAX, fusion left out (it doubles the time
    that XLA takes).  Checks of parameters, which PyMC's own conversion drops, stay: a log
    density with an invalid parameter is ``-inf``, as in PyMC, not some finite number.

    Parameters
    ----------
    inputs, outputs
        Variables of the graph; every input that is not a constant must be listed.
    check_bounds
        ``model.check_bounds``: whether to keep the checks of parameters.

    Raises
    ------
    NoJaxFormError
        If operations have no JAX form.
    """
    from pytensor.compile.mode import JAX
    from pytensor.graph.fg import FunctionGraph
    from pytensor.link.utils import fgraph_to_python

    table = jax_table()
    checks = (
        "local_check_parameter_to_ninf_switch" if check_bounds else "local_remove_check_parameter"
    )
    mode = JAX.excluding("fusion", "inplace").including(checks)
    graph = FunctionGraph(inputs=list(inputs), outputs=list(outputs), clone=True)
    with warnings.catch_warnings():
        # Assertions about values cannot be made inside a compiled program.
        warnings.filterwarnings("ignore", message="Skipping .* Op")
        mode.optimizer.rewrite(graph)
        try:
            return fgraph_to_python(graph, table, type_conversion_fn=_constant)
        except NotImplementedError as error:
            raise NoJaxFormError(_without_form(graph, table) or [str(error)]) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without JAX's remarks on PyTensor's casts while a function is traced.

    In the main thread alone: filters of warnings belong to the whole process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        # A float32 model is computed in single precision, which is what was asked for.
        warnings.filterwarnings("ignore", message="Explicitly requested dtype")
        warnings.filterwarnings("ignore", message="scatter inputs have incompatible types")
        yield


def _constant(data: Any, dtype: str | None = None, **options: Any) -> Any:
    """A constant of the graph in JAX.

    PyTensor makes Python numbers of scalars.  What is computed from them has no fixed precision
    in JAX, and falls to 32 bits where it meets one of the 32-bit constants that PyMC's densities
    hold; a NumPy scalar keeps its own.  Whole numbers may be shapes and stay Python numbers.
    """
    from pytensor.link.jax.dispatch import jax_typify

    if isinstance(data, np.ndarray) and data.ndim == 0 and data.dtype.kind == "f":
        return data[()] if dtype is None else data.astype(dtype)[()]
    return jax_typify(data, dtype=dtype, **options)


def _without_form(graph: Any, table: Callable[..., Any]) -> list[str]:
    missing = []
    for node in graph.apply_nodes:
        try:
            table(node.op, node=node)
        except NotImplementedError:
            missing.append(str(node.op))
        except Exception:  # other complaints are not about a missing form
            continue
    return sorted(set(missing))


def _complete(table: Any) -> None:
    """Register what is missing; what PyMC or the user has registered stays."""
    from pymc.distributions import multivariate
    from pymc.distributions.dist_math import SplineWrapper
    from pymc.logprob.utils import CheckParameterValue
    from pytensor.printing import Print
    from pytensor.raise_op import Assert
    from pytensor.scalar.math import Erfcx

    for operation in (Assert, CheckParameterValue, Print):
        if operation not in table.registry:
            table.register(operation)(_first_argument)
    if SplineWrapper not in table.registry:
        table.register(SplineWrapper)(_spline)
    positive_definite = getattr(multivariate, "PosDefMatrix", None)
    if positive_definite is not None and positive_definite not in table.registry:
        table.register(positive_definite)(_positive_definite)
    if hasattr(jax.scipy.special, "erfcx"):
        # Older PyTensor asks another package for it, which few have.
        table.register(Erfcx)(lambda op, **_: jax.scipy.special.erfcx)


def _first_argument(op: Any, **_: Any) -> Callable[..., Any]:
    return lambda value, *conditions: value


def _positive_definite(op: Any, **_: Any) -> Callable[..., Any]:
    return lambda matrix, *_: jnp.all(jnp.isfinite(jnp.linalg.cholesky(matrix)))


def _spline(op: Any, **_: Any) -> Callable[..., Any]:
    """A SciPy spline as a piecewise polynomial, zero outside its knots if the spline is."""
    from scipy.interpolate import PPoly

    pieces = PPoly.from_spline(op.spline._eval_args)
    proper = np.diff(pieces.x) > 0
    starts, coefficients = pieces.x[:-1][proper], pieces.c[:, proper]
    end = pieces.x[1:][proper][-1]
    outside = op.spline.ext

    def evaluate(points: Any) -> Any:
        inside = jnp.clip(points, starts[0], end) if outside == 3 else points
        piece = jnp.clip(jnp.searchsorted(starts, inside, side="right") - 1, 0, len(starts) - 1)
        offset = inside - jnp.asarray(starts)[piece]
        value = jnp.zeros_like(offset)
        for row in coefficients:
            value = value * offset + jnp.asarray(row)[piece]
        if outside == 1:
            value = jnp.where((points < starts[0]) | (points > end), 0.0, value)
        return value

    return evaluate
