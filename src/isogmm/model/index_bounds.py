"""Indices from the data beyond the end of the array that a JAX program reads.

PyTensor and NumPy raise IndexError for such an index.  JAX reads the nearest entry of the array,
so that labels which begin at 1 give a finite log density of another model.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal
from jax.lax import GatherScatterMode
from jaxtyping import PyTree

from isogmm.errors import ModelError, warn_user
from isogmm.model.jax_target import JaxPrograms

#: Largest number of places in a program that are reported.
MAX_PLACES = 3


class Beyond(NamedTuple):
    """Indices beyond the end of an axis.

    Parameters
    ----------
    size
        Length of the axis.
    smallest, largest
        The smallest and the largest index.  A negative index counts from the end; here the length
        of the axis has been added to it.
    num_outside, total
        Number of indices beyond the end, and of all indices.
    sources
        Positions of the inputs of the program from which the indices are computed.
    """

    size: int
    smallest: int
    largest: int
    num_outside: int
    total: int
    sources: frozenset[int]

    @property
    def begins_at_one(self) -> bool:
        """Whether the indices are 1 to the length of the axis, labels that begin at 1."""
        return self.smallest == 1 and self.largest == self.size

    def __str__(self) -> str:
        index = self.largest if self.largest >= self.size else self.smallest - self.size
        axis = f"an array of {self.size} {'entry' if self.size == 1 else 'entries'}"
        share = f"{self.num_outside} of {self.total} indices"
        return f"{share} of {axis} are outside it, for example {index}"


class _Known(NamedTuple):
    """An array that is known before the program runs, and the inputs from which it is computed."""

    compute: Callable[[], np.ndarray]
    sources: frozenset[int]


def indices_beyond(program: ClosedJaxpr, inputs: Sequence[object | None]) -> list[Beyond]:
    """The indices beyond the end of an array, as far as they are known before the program runs.

    Parameters
    ----------
    program
        The program.  Its loops are not analyzed.
    inputs
        The inputs, in the order of the program; None for those that are not known.

    Returns
    -------
    list of Beyond
        One entry for each place in the program, without repetitions.
    """
    found: list[Beyond] = []
    known = [_of_array(value, frozenset([i])) for i, value in enumerate(inputs)]
    try:
        _run(program, known, found)
    except Exception:  # another version of JAX may have other parameters of an operation
        return []
    return list(dict.fromkeys(found))[:MAX_PLACES]


def known_result(program: ClosedJaxpr, inputs: Sequence[object], index: int) -> np.ndarray | None:
    """A result of a program that depends on its inputs by simple operations; None for others."""
    known = [_of_array(value, frozenset([i])) for i, value in enumerate(inputs)]
    try:
        result = _run(program, known, [])[index]
        return None if result is None else result.compute()
    except Exception:  # see :func:`indices_beyond`
        return None


def check_indices(
    programs: JaxPrograms, data: PyTree, names: Sequence[str] = (), *, is_error: bool = False
) -> tuple[str, ...]:
    """Raise an error or warn if a model has indices beyond the end of an array.

    Parameters
    ----------
    programs, data
        The programs of the model, and the data of their ``bind``.
    names
        Names of the first leaves of the data.
    is_error
        Whether every such index is an error.  If not, only labels that begin at 1 are, because
        models with padded data can have other ones on purpose.

    Returns
    -------
    tuple of str
        The warnings, for the report.

    Raises
    ------
    ModelError
        Naming the data, the length of the array and the index.
    """
    notes = []
    for beyond in indices_beyond(programs.point_program, [None, *jax.tree.leaves(data)]):
        named = [names[i - 1] for i in sorted(beyond.sources) if i <= len(names)]
        listed = " and ".join(map(repr, named))
        note = (
            f"{beyond}{f' (computed from {listed})' if listed else ''}. JAX reads the nearest "
            "entry and raises no error. Indices begin at 0: subtract 1 from labels that begin at "
            "1, and check the size of the array. If the nearest entry is meant, write "
            "jnp.take(array, index, mode='clip')."
        )
        if is_error or beyond.begins_at_one:
            raise ModelError(note)
        warn_user(note)
        notes.append(note)
    return tuple(notes)


def _of_array(value: Any, sources: frozenset[int]) -> _Known | None:
    """An input or a constant; None if it has no real numbers or is not on this machine."""
    if getattr(getattr(value, "dtype", None), "kind", "?") not in "biuf":
        return None
    if not getattr(value, "is_fully_addressable", True):
        return None
    return _Known(lambda: np.asarray(value), sources)


def _run(
    program: ClosedJaxpr, inputs: Sequence[_Known | None], found: list[Beyond]
) -> list[_Known | None]:
    """Add the places in a program, and in the functions that it calls; returns its results."""
    jaxpr = program.jaxpr
    values = dict(zip(map(id, jaxpr.invars), inputs, strict=True))
    for variable, constant in zip(jaxpr.constvars, program.consts, strict=True):
        values[id(variable)] = _of_array(constant, frozenset())

    def read(variable: Any) -> _Known | None:
        if isinstance(variable, Literal):
            return _of_array(np.asarray(variable.val), frozenset())
        return values.get(id(variable))

    for equation in jaxpr.eqns:
        operands = [read(variable) for variable in equation.invars]
        name = equation.primitive.name
        called = equation.params.get("jaxpr")
        if name in _CALLS and isinstance(called, ClosedJaxpr):
            values.update(
                zip(map(id, equation.outvars), _run(called, operands, found), strict=True)
            )
            continue
        if name == "gather":
            found.extend(_beyond_gather(equation, operands[1]))
        elif name == "dynamic_slice":
            found.extend(_beyond_slice(equation, operands[1:]))
        if all(operands) and len(equation.outvars) == 1 and not _has_functions(equation):
            values[id(equation.outvars[0])] = _computed(equation, operands)
    return [read(variable) for variable in jaxpr.outvars]


def _computed(equation: JaxprEqn, operands: Sequence[_Known | None]) -> _Known:
    """The result of an operation, computed when it is needed."""
    known = [operand for operand in operands if operand is not None]
    operation = _OPERATIONS.get(equation.primitive.name, _by_jax)

    def compute() -> np.ndarray:
        return np.asarray(operation(equation, *(operand.compute() for operand in known)))

    return _Known(
        functools.cache(compute), frozenset().union(*(operand.sources for operand in known))
    )


def _beyond_gather(equation: JaxprEqn, indices: _Known | None) -> list[Beyond]:
    """The indices of ``array[indices]``; other modes are those that a user chose."""
    if indices is None or equation.params["mode"] != GatherScatterMode.PROMISE_IN_BOUNDS:
        return []
    shape, sizes = equation.invars[0].aval.shape, equation.params["slice_sizes"]
    columns = np.moveaxis(indices.compute(), -1, 0)
    axes = equation.params["dimension_numbers"].start_index_map
    places = [
        _compared(columns[i], shape[axis] - sizes[axis] + 1, indices.sources)
        for i, axis in enumerate(axes)
    ]
    return [place for place in places if place is not None]


def _beyond_slice(equation: JaxprEqn, starts: Sequence[_Known | None]) -> list[Beyond]:
    """The indices of ``array[index]``, a slice of one entry."""
    shape, sizes = equation.invars[0].aval.shape, equation.params["slice_sizes"]
    places = [
        _compared(start.compute(), shape[axis], start.sources)
        for axis, start in enumerate(starts)
        if start is not None and sizes[axis] == 1
    ]
    return [place for place in places if place is not None]


def _compared(indices: np.ndarray, size: int, sources: frozenset[int]) -> Beyond | None:
    """The indices beyond the end of an axis; None if there are none."""
    if not indices.size:
        return None
    smallest, largest = int(indices.min()), int(indices.max())
    if smallest >= 0 and largest < size:
        return None
    count = int(((indices < 0) | (indices >= size)).sum())
    return Beyond(size, smallest, largest, count, indices.size, sources)


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
_CALLS = frozenset({"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat"})
#: The operations of ``array[indices]`` by the name of the primitive.  JAX would compile them, which
#: takes 20 to 30 ms for each.
_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "lt": _of_numpy(np.less),
    "add": _of_numpy(np.add),
    "sub": _of_numpy(np.subtract),
    "select_n": lambda equation, which, *cases: np.choose(which.astype(int), cases),
    "convert_element_type": lambda equation, array: array.astype(equation.params["new_dtype"]),
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda equation, *arrays: np.concatenate(arrays, equation.params["dimension"]),
}
