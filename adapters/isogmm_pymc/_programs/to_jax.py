"""Conversion of PyTensor graphs to JAX functions; the global settings of JAX stay unchanged."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from pytensor.compile.mode import JAX
from pytensor.graph.basic import Variable
from pytensor.graph.fg import FunctionGraph
from pytensor.link.utils import fgraph_to_python

from isogmm.arrays import Array
from isogmm.results.arviz.warning_filters import ignore, kept_filters
from isogmm_pymc._graphs.known_checks import remove_known_checks
from isogmm_pymc._programs.jax_operations import Dispatcher, register_missing


class NoJaxFormError(Exception):
    """A graph has operations that PyTensor cannot convert to JAX."""

    def __init__(self, operations: Sequence[str]) -> None:
        self.operations = tuple(operations)
        super().__init__(", ".join(self.operations))


@functools.cache
def jax_dispatcher() -> Dispatcher:
    """PyTensor's conversion of operations to JAX, with the operations that PyMC models need.

    Importing it switches JAX to 64 bits for the whole process, and this function restores the
    switch.  The import runs in its own thread.  A thread sees the global switch, whereas the
    caller may be inside a ``jax.enable_x64`` context.
    """
    failures: list[BaseException] = []

    def import_and_restore() -> None:
        switch = jax.config.jax_enable_x64
        try:
            import pytensor.link.jax.dispatch  # noqa: F401
        except BaseException as error:
            failures.append(error)
        finally:
            jax.config.update("jax_enable_x64", switch)

    thread = threading.Thread(target=import_and_restore)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    from pytensor.link.jax.dispatch import jax_funcify

    register_missing(jax_funcify)
    return jax_funcify


def jaxify(
    inputs: Sequence[Variable], outputs: Sequence[Variable], *, check_bounds: bool
) -> Callable[..., Sequence[Array]]:
    """The JAX function of a PyTensor graph.

    The graph is rewritten by PyTensor's rewrites for JAX except fusion, which doubles the
    compilation time of XLA.  PyMC's own conversion drops the tests of parameters, and this one
    keeps them: as in PyMC, a log density with an invalid parameter is ``-inf`` instead of a finite
    number.

    Parameters
    ----------
    inputs, outputs
        Variables of the graph; every input that is not a constant must be listed.
    check_bounds
        ``model.check_bounds``: whether to keep the tests of parameters.

    Raises
    ------
    NoJaxFormError
        If operations have no JAX form.
    """
    dispatcher = jax_dispatcher()
    rewrite = (
        "local_check_parameter_to_ninf_switch" if check_bounds else "local_remove_check_parameter"
    )
    mode = JAX.excluding("fusion", "inplace").including(rewrite)
    graph = FunctionGraph(inputs=list(inputs), outputs=list(outputs), clone=True)
    remove_known_checks(graph)
    with kept_filters():
        # A compiled program cannot evaluate assertions about values.
        ignore(message="Skipping .* Op")
        mode.optimizer.rewrite(graph)
        try:
            return fgraph_to_python(graph, dispatcher, type_conversion_fn=_constant)
        except NotImplementedError as error:
            operations = _without_jax_form(graph, dispatcher) or [str(error)]
            raise NoJaxFormError(operations) from error


@contextlib.contextmanager
def ignore_cast_warnings() -> Iterator[None]:
    """A context without JAX's warnings about PyTensor's casts while a function is traced.

    It has an effect only in the main thread, because the filters of warnings are global.
    """
    with kept_filters():
        # JAX issues these warnings for float32 models, which are meant to be in single precision.
        ignore(message="Explicitly requested dtype")
        ignore(message="scatter inputs have incompatible types")
        yield


def _constant(data: object, dtype: str | None = None, **options: object) -> object:
    """A constant of the graph in JAX.

    PyTensor converts scalars to Python numbers, which have no fixed precision in JAX.  Together
    with a 32-bit constant of PyMC's densities, such a number would be rounded to 32 bits.  Floats
    therefore become NumPy scalars, which keep their precision.  Integers may be shapes and remain
    Python numbers.
    """
    from pytensor.link.jax.dispatch import jax_typify

    if isinstance(data, np.ndarray) and data.ndim == 0 and data.dtype.kind == "f":
        return data[()] if dtype is None else data.astype(dtype)[()]
    return jax_typify(data, dtype=dtype, **options)


def _without_jax_form(graph: FunctionGraph, dispatcher: Dispatcher) -> list[str]:
    """Operations of the graph that have no JAX form."""
    missing = []
    for node in graph.apply_nodes:
        try:
            dispatcher(node.op, node=node)
        except NotImplementedError:
            missing.append(str(node.op))
        except Exception:  # other errors do not mean that the form is missing
            continue
    return sorted(set(missing))
