"""Values of a JAX program that are known before it runs, because they depend on the data only."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal


class Known(NamedTuple):
    """An array that is known before the program runs, and the inputs from which it is computed."""

    compute: Callable[[], np.ndarray]
    sources: frozenset[int]


#: Called with each operation of a program and its operands; None for those that are not known.
Visit = Callable[[JaxprEqn, Sequence[Known | None]], None]


def known_values(
    program: ClosedJaxpr, inputs: Sequence[object | None], visit: Visit = lambda *_: None
) -> list[Known | None]:
    """The results of a program as far as they are known before it runs.

    Parameters
    ----------
    program
        The program.  Its loops are not analyzed.
    inputs
        The inputs, in the order of the program; None for those that are not known.
    visit
        Called with each operation, also of the functions that the program calls.
    """
    known = [_of_array(value, frozenset([i])) for i, value in enumerate(inputs)]
    return _run(program.jaxpr, program.consts, known, visit)


def known_result(program: ClosedJaxpr, inputs: Sequence[object], index: int) -> np.ndarray | None:
    """A result of a program that depends on its inputs by simple operations; None for others."""
    try:
        result = known_values(program, inputs)[index]
        return None if result is None else result.compute()
    except Exception:  # another version of JAX may have other parameters of an operation
        return None


def names_of(sources: frozenset[int], names: Sequence[str]) -> str:
    """The names of the data among the inputs, of which the first is the position; or ''."""
    return " and ".join(repr(names[i - 1]) for i in sorted(sources) if i <= len(names))


def _of_array(value: Any, sources: frozenset[int]) -> Known | None:
    """An input or a constant; None if it has no real numbers or is not on this machine."""
    if getattr(getattr(value, "dtype", None), "kind", "?") not in "biuf":
        return None
    if not getattr(value, "is_fully_addressable", True):
        return None
    return Known(lambda: np.asarray(value), sources)


def _run(
    jaxpr: Jaxpr, constants: Sequence[Any], inputs: Sequence[Known | None], visit: Visit
) -> list[Known | None]:
    """Visit the operations of a program and of the functions that it calls; returns its results."""
    values = dict(zip(map(id, jaxpr.invars), inputs, strict=True))
    for variable, constant in zip(jaxpr.constvars, constants, strict=True):
        values[id(variable)] = _of_array(constant, frozenset())

    def read(variable: Any) -> Known | None:
        if isinstance(variable, Literal):
            return _of_array(np.asarray(variable.val), frozenset())
        return values.get(id(variable))

    for equation in jaxpr.eqns:
        operands = [read(variable) for variable in equation.invars]
        name = equation.primitive.name
        called = equation.params.get("jaxpr")
        if name in _CALLS and called is not None:
            # The function of jax.checkpoint is a Jaxpr, those of the others are a ClosedJaxpr.
            body, consts = getattr(called, "jaxpr", called), getattr(called, "consts", ())
            results = _run(body, consts, operands, visit)
            values.update(zip(map(id, equation.outvars), results, strict=True))
            continue
        visit(equation, operands)
        if all(operands) and len(equation.outvars) == 1 and not _has_functions(equation):
            values[id(equation.outvars[0])] = _computed(equation, operands)
    return [read(variable) for variable in jaxpr.outvars]


def _computed(equation: JaxprEqn, operands: Sequence[Known | None]) -> Known:
    """The result of an operation, computed when it is needed."""
    known = [operand for operand in operands if operand is not None]
    operation = _OPERATIONS.get(equation.primitive.name, _by_jax)

    def compute() -> np.ndarray:
        return np.asarray(operation(equation, *(operand.compute() for operand in known)))

    return Known(
        functools.cache(compute), frozenset().union(*(operand.sources for operand in known))
    )


def _has_functions(equation: JaxprEqn) -> bool:
    """Whether an operation calls functions, such as the body of a loop."""
    parts = [
        part
        for value in equation.params.values()
        for part in (value if isinstance(value, tuple | list) else [value])
    ]
    return any(hasattr(part, "jaxpr") or hasattr(part, "eqns") for part in parts)


def _by_jax(equation: JaxprEqn, *arrays: np.ndarray) -> object:
    """The result of an operation that NumPy does not have in the same form."""
    return equation.primitive.bind(*map(jax.numpy.asarray, arrays), **equation.params)


def _broadcast(equation: JaxprEqn, array: np.ndarray) -> np.ndarray:
    shape = [1] * len(equation.params["shape"])
    for axis, length in zip(equation.params["broadcast_dimensions"], array.shape, strict=True):
        shape[axis] = length
    return np.broadcast_to(array.reshape(shape), equation.params["shape"])


def _of_numpy(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An operation that has no parameters."""
    return lambda equation, *arrays: function(*arrays)


#: Primitives that call a function, which has the inputs and results of the primitive.
_CALLS = frozenset({"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"})
#: The operations of ``array[indices]`` and of products by the name of the primitive.  JAX would
#: compile them, which takes 20 to 30 ms for each.
_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "lt": _of_numpy(np.less),
    "add": _of_numpy(np.add),
    "sub": _of_numpy(np.subtract),
    "mul": _of_numpy(np.multiply),
    "select_n": lambda equation, which, *cases: np.choose(which.astype(int), cases),
    "convert_element_type": lambda equation, array: array.astype(equation.params["new_dtype"]),
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda equation, *arrays: np.concatenate(arrays, equation.params["dimension"]),
}
