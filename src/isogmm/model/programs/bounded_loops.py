"""Programs whose loops end after a number of iterations.

The steps of an adaptive solver of differential equations become ever smaller at extreme parameters,
and a search for modes evaluates such parameters.  One evaluation would take hours, and nothing can
interrupt a compiled program.
"""

import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import PyTree

#: Largest number of iterations of a loop.  Solvers of differential equations need some hundred
#: steps; the limit of diffrax is 4,096 by default.
MAX_ITERATIONS = 2**14
#: Operations that only call a jaxpr, and the parameters that contain it, in the versions of JAX.
#: Others, such as ``shard_map``, change its meaning, and their loops are not bounded.
_CALLS = (
    "checkpoint",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "jit",
    "pjit",
    "remat2",
)
_CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr")


def bounded(
    function: Callable[..., PyTree], max_iterations: int = MAX_ITERATIONS
) -> Callable[..., PyTree]:
    """The same function; results of ``while`` loops that are longer than the limit are NaN.

    Functions without such loops stay unchanged.  Loops of a fixed length are not bounded.

    Parameters
    ----------
    function
        A function made by :func:`jax.jit`, whose trace is used again.
    max_iterations
        Largest number of iterations.
    """

    @functools.wraps(function)
    def call(*arguments: PyTree) -> PyTree:
        shapes = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype),
            jax.tree.map(jnp.asarray, arguments),
        )
        closed = function.trace(*shapes).jaxpr  # type: ignore[attr-defined]
        if not _has_while(closed.jaxpr):
            return function(*arguments)
        structure = jax.tree.structure(jax.eval_shape(function, *shapes))
        try:
            results = _Bounded(max_iterations).run(closed, jax.tree.leaves(arguments))
        except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError):
            # The form of a jaxpr depends on the version of JAX.  In an unknown form loops have no
            # limit, and the model can still be fitted.
            return function(*arguments)
        return jax.tree.unflatten(structure, results)

    return call


class _Bounded:
    """Evaluates a jaxpr with bounded loops."""

    def __init__(self, max_iterations: int) -> None:
        self.max_iterations = max_iterations

    def run(self, closed: ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
        """The results of a jaxpr."""
        jaxpr, values = closed.jaxpr, dict[Any, Any]()

        def read(variable: Any) -> Any:
            return variable.val if isinstance(variable, Literal) else values[variable]

        values.update(zip(jaxpr.constvars, closed.consts, strict=True))
        values.update(zip(jaxpr.invars, arguments, strict=True))
        for equation in jaxpr.eqns:
            found = self._results(equation, [read(variable) for variable in equation.invars])
            values.update(zip(equation.outvars, found, strict=True))
        return [read(variable) for variable in jaxpr.outvars]

    def _results(self, equation: JaxprEqn, inputs: list[Any]) -> list[Any]:
        name, parameters = equation.primitive.name, equation.params
        if not any(map(_has_while, _called(equation))) and name != "while":
            return _bind(equation, inputs)
        if name == "while":
            return self._loop(parameters, inputs)
        if name in ("scan", "cond"):
            changed = {key: self._replaced(value) for key, value in parameters.items()}
            return _bind(equation, inputs, changed)
        found = [parameters[key] for key in _CALLED if key in parameters]
        if name not in _CALLS or not found:
            return _bind(equation, inputs)
        return self.run(_closed(found[0]), inputs)

    def _loop(self, parameters: dict[str, Any], inputs: list[Any]) -> list[Any]:
        first, second = parameters["cond_nconsts"], parameters["body_nconsts"]
        of_condition, of_body = inputs[:first], inputs[first : first + second]

        def continues(state: Sequence[Any]) -> Any:
            (answer,) = self.run(parameters["cond_jaxpr"], [*of_condition, *state])
            return answer

        def body(state: tuple[Any, list[Any]]) -> tuple[Any, list[Any]]:
            count, values = state
            going = continues(values)
            new = self.run(parameters["body_jaxpr"], [*of_body, *values])
            if jnp.ndim(going):  # a loop for each element, of different lengths
                new = [_where(going, *pair) for pair in zip(new, values, strict=True)]
            return count + 1, new

        _, values = jax.lax.while_loop(
            lambda state: jnp.any(continues(state[1])) & (state[0] < self.max_iterations),
            body,
            (jnp.zeros((), jnp.int32), inputs[first + second :]),
        )
        is_unfinished = continues(values)
        return [
            _where(is_unfinished, jnp.nan, value)
            if jnp.issubdtype(value.dtype, jnp.inexact)
            else value
            for value in values
        ]

    def _replaced(self, value: Any) -> Any:
        """A parameter of an operation, with bounded loops if it is a jaxpr or has some."""
        if isinstance(value, tuple):
            found = tuple(map(self._replaced, value))
            return found if any(map(operator.is_not, found, value)) else value
        if not isinstance(value, ClosedJaxpr):
            return value
        shapes = [
            jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)
            for aval in value.in_avals
        ]
        return jax.make_jaxpr(lambda *values: self.run(value, values))(*shapes)


def _where(condition: jax.Array, value: Any, other: jax.Array) -> jax.Array:
    """One value or the other, by a condition on the leading axes."""
    trailing = (1,) * (jnp.ndim(other) - jnp.ndim(condition))
    return jnp.where(condition.reshape(condition.shape + trailing), value, other)


def _bind(
    equation: JaxprEqn, inputs: list[Any], parameters: dict[str, Any] | None = None
) -> list[Any]:
    """The results of one operation, with its own or with other parameters."""
    found = equation.primitive.get_bind_params(parameters or equation.params)
    # Earlier versions of JAX separate the functions from the other parameters.
    functions, named = found if isinstance(found, tuple) else ((), found)
    found = equation.primitive.bind(*functions, *inputs, **named)
    return list(found) if equation.primitive.multiple_results else [found]


def _has_while(jaxpr: Jaxpr) -> bool:
    """Whether a jaxpr has a loop of unknown length, also in the jaxprs that it calls."""
    return any(
        equation.primitive.name == "while" or any(map(_has_while, _called(equation)))
        for equation in jaxpr.eqns
    )


def _called(equation: JaxprEqn) -> Iterator[Jaxpr]:
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, ClosedJaxpr | Jaxpr):
                yield _closed(part).jaxpr


def _closed(jaxpr: ClosedJaxpr | Jaxpr) -> ClosedJaxpr:
    return jaxpr if isinstance(jaxpr, ClosedJaxpr) else ClosedJaxpr(jaxpr, [])
