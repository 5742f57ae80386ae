"""The cost of a JAX program, counted from its jaxpr before it is compiled."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jax.extend.core import Jaxpr, JaxprEqn

#: Iterations assumed for a ``while`` loop, whose number of iterations is not known.
WHILE_ITERATIONS = 100
#: Factorizations and triangular solves: about n operations for each of their n² numbers.
_CUBIC = {"cholesky", "eigh", "lu", "qr", "svd", "triangular_solve"}


class Cost(NamedTuple):
    """How many numbers a program computes, and whether it has loops or factorizations.

    Loops and factorizations process the rows of a batch one after the other on one core.  Other
    operations process all rows of a batch together, and larger batches make them cheaper per row.
    """

    numbers: float
    has_loops: bool


def cost_of(jaxpr: Jaxpr) -> Cost:
    """The number of results of all operations, those inside loops counted at every iteration.

    A result of a matrix product counts as twice the length of its sum.  A result of a
    factorization counts as the number of rows.  The cost per operation is not modeled: it was 0.5
    to 2 ns per number for the gradients of twelve models.
    """
    total, has_loops = 0.0, False
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inner = [cost_of(called) for called in _called_jaxprs(equation)]
        if inner:
            iterations = {"scan": equation.params.get("length", 1), "while": WHILE_ITERATIONS}
            total += iterations.get(name, 1) * sum(cost.numbers for cost in inner)
            has_loops |= name in iterations or any(cost.has_loops for cost in inner)
            continue
        size = float(sum(np.prod(variable.aval.shape) for variable in equation.outvars))
        if name == "dot_general":
            (summed, _), _ = equation.params["dimension_numbers"]
            shape = equation.invars[0].aval.shape
            size *= 2.0 * np.prod([shape[axis] for axis in summed])
        elif name in _CUBIC:
            size *= equation.invars[0].aval.shape[-1]
            has_loops = True
        total += size
    return Cost(total, has_loops)


def largest_bytes(jaxpr: Jaxpr) -> int:
    """Bytes of the largest intermediate array, those inside loops and functions included."""
    largest = 0
    for equation in jaxpr.eqns:
        inner = [largest_bytes(called) for called in _called_jaxprs(equation)]
        own = [] if inner else [_bytes(variable.aval) for variable in equation.outvars]
        largest = max([largest, *inner, *own])
    return largest


def _bytes(value: object) -> int:
    """Bytes of an array; 0 for values without a numeric type, such as random keys."""
    dtype = getattr(value, "dtype", None)
    size = int(np.prod(getattr(value, "shape", ()), dtype=float))
    return size * dtype.itemsize if isinstance(dtype, np.dtype) else 0


def _called_jaxprs(equation: JaxprEqn) -> Iterator[Jaxpr]:
    """The jaxprs that an equation calls: bodies of loops, branches and functions."""
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if hasattr(part, "jaxpr"):
                yield part.jaxpr
            elif hasattr(part, "eqns"):
                yield part
