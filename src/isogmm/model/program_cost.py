"""What a program computes, counted before it is compiled: how many rows a batch should have."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

#: A loop that ends by itself is taken for so many rounds.
ROUNDS = 100
#: Factorizations and triangular solves take about n operations for each of their n² numbers.
_CUBIC = {"cholesky", "eigh", "lu", "qr", "svd", "triangular_solve"}


class Cost(NamedTuple):
    """How many numbers a program computes, and whether it has loops or factorizations.

    Those go through the rows of a batch one after the other, and on one core; what else a model
    does to all rows of a batch at once gets cheaper with more of them.
    """

    numbers: float
    has_loops: bool


def cost_of(jaxpr: Any) -> Cost:
    """The numbers that the operations of a jaxpr give, those in loops each time.

    A number of a matrix product counts twice the length of its sums, one of a factorization the
    number of its rows.  Nothing is said of what an operation costs: 0.5 to 2 ns a number, as
    measured on gradients of twelve models.
    """
    total, has_loops = 0.0, False
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        inner = [cost_of(one) for one in _inner(equation)]
        if inner:
            rounds = {"scan": equation.params.get("length", 1), "while": ROUNDS}.get(name, 1)
            total += rounds * sum(one.numbers for one in inner)
            has_loops |= name in ("scan", "while") or any(one.has_loops for one in inner)
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


def _inner(equation: Any) -> Iterator[Any]:
    """The jaxprs that an equation calls: of loops, branches and functions."""
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if hasattr(one, "jaxpr"):
                yield one.jaxpr
            elif hasattr(one, "eqns"):
                yield one
