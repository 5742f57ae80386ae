"""Integers of a JAX program that the data make too large for their type.

JAX computes with 32 bits without ``enable_x64``, and keeps the last bits of a larger integer
without an error, so that the square of 60,000 is negative.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn
from jaxtyping import PyTree

from isogmm.errors import ModelError
from isogmm.model.checks.known_values import Known, known_values, names_of
from isogmm.model.jax_target import JaxPrograms


class Overflow(NamedTuple):
    """An integer beyond the range of its type.

    Parameters
    ----------
    value
        The integer of largest magnitude that an operation should give.
    dtype
        The type in which JAX computes it.
    sources
        Positions of the inputs of the program from which it is computed.
    """

    value: float
    dtype: str
    sources: frozenset[int]


def first_overflow(program: ClosedJaxpr, inputs: Sequence[object | None]) -> Overflow | None:
    """The first operation on data whose integers are beyond the range of their type.

    Parameters
    ----------
    program
        The program.  Its loops are not analyzed.
    inputs
        The inputs, in the order of the program; None for those that are not known.

    Returns
    -------
    Overflow or None
        None if there is none, as far as it is known before the program runs.
    """
    found: list[Overflow] = []

    def visit(equation: JaxprEqn, operands: Sequence[Known | None]) -> None:
        known = [operand for operand in operands if operand is not None]
        if not found and len(known) == len(operands):
            found.extend(_overflows(equation, known))

    try:
        known_values(program, inputs, visit)
    except Exception:  # another version of JAX may have other parameters of an operation
        return None
    return found[0] if found else None


def check_integers(programs: JaxPrograms, data: PyTree, names: Sequence[str] = ()) -> None:
    """Raise an error if a model computes integers beyond the range of their type from its data.

    Parameters
    ----------
    programs, data
        The programs of the model, and the data of their ``bind``.
    names
        Names of the first leaves of the data.

    Raises
    ------
    ModelError
        Naming the data and the largest integer.
    """
    overflow = first_overflow(programs.point_program, [None, *jax.tree.leaves(data)])
    if overflow is None:
        return
    listed = names_of(overflow.sources, names) or "its data"
    raise ModelError(
        f"the model computes integers of size {overflow.value:.4g} from {listed}, beyond the range "
        f"of {overflow.dtype}, in which JAX computes. JAX keeps the last bits and raises no error. "
        "Pass the data as floating-point numbers: array.astype(float)."
    )


def _overflows(equation: JaxprEqn, operands: Sequence[Known]) -> list[Overflow]:
    """The largest integer of an operation, if it is beyond the range of its type."""
    operation = _OPERATIONS.get(equation.primitive.name)
    sources = frozenset().union(*(operand.sources for operand in operands))
    dtype = np.dtype(equation.outvars[0].aval.dtype) if operation else np.dtype(float)
    # Operations on unsigned integers, such as those of random numbers, can overflow on purpose.
    if operation is None or not sources or dtype.kind != "i":
        return []
    arrays = [np.asarray(operand.compute(), dtype=float) for operand in operands]
    result = np.asarray(operation(equation.params, *arrays))
    if not result.size or np.abs(result).max() <= np.iinfo(dtype).max:
        return []
    return [Overflow(float(result.flat[np.abs(result).argmax()]), str(dtype), sources)]


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    """A reduction over the axes of the primitive."""
    return lambda params, array: function(array, axis=tuple(params["axes"]))


def _accumulated(function: Callable[..., Any]) -> Callable[..., Any]:
    """A cumulative operation along the axis of the primitive."""

    def compute(params: dict[str, Any], array: np.ndarray) -> np.ndarray:
        axis = params["axis"]
        return function(np.flip(array, axis) if params["reverse"] else array, axis=axis)

    return compute


#: Operations on integers by the name of the primitive, in double precision.
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda params, a, b: a + b,
    "sub": lambda params, a, b: a - b,
    "mul": lambda params, a, b: a * b,
    "square": lambda params, a: a * a,
    "integer_pow": lambda params, a: a ** params["y"],
    "reduce_sum": _reduced(np.sum),
    "reduce_prod": _reduced(np.prod),
    "cumsum": _accumulated(np.cumsum),
    "cumprod": _accumulated(np.cumprod),
}
