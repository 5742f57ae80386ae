"""Indices from the data beyond the end of the array that a JAX program reads.

PyTensor and NumPy raise IndexError for such an index.  JAX reads the nearest entry of the array,
so that labels which begin at 1 give a finite log density of another model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn
from jax.lax import GatherScatterMode
from jaxtyping import PyTree

from isogmm.errors import ModelError, warn_user
from isogmm.model.checks.known_values import Known, known_values, names_of
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


class Last(NamedTuple):
    """Indices -1 among others, which read the last entry of an axis.

    Parameters
    ----------
    size
        Length of the axis.
    num_last, total
        Number of indices -1, and of all indices.
    sources
        Positions of the inputs of the program from which the indices are computed.
    """

    size: int
    num_last: int
    total: int
    sources: frozenset[int]

    def __str__(self) -> str:
        return f"{self.num_last} of {self.total} indices of an array of {self.size} entries are -1"


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
    return _find(program, inputs)[0]


def _find(program: ClosedJaxpr, inputs: Sequence[object | None]) -> tuple[list[Beyond], list[Last]]:
    """The indices beyond the end, and the indices -1 among others."""
    beyond: list[Beyond] = []
    last: list[Last] = []

    def visit(equation: JaxprEqn, operands: Sequence[Known | None]) -> None:
        if equation.primitive.name == "gather":
            beyond.extend(_beyond_gather(equation, operands[1]))
        elif equation.primitive.name == "dynamic_slice":
            beyond.extend(_beyond_slice(equation, operands[1:]))
        elif equation.primitive.name == "select_n":
            last.extend(_last_entries(operands))

    try:
        known_values(program, inputs, visit)
    except Exception:  # another version of JAX may have other parameters of an operation
        return [], []
    return list(dict.fromkeys(beyond))[:MAX_PLACES], list(dict.fromkeys(last))[:MAX_PLACES]


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
        Whether every such index is an error.  If not, only labels that begin at 1 and data
        without any valid index are, because models with padded data can have some on purpose.

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

    def origin(sources: frozenset[int]) -> str:
        listed = names_of(sources, names)
        return f" (computed from {listed})" if listed else ""

    all_beyond, all_last = _find(programs.point_program, [None, *jax.tree.leaves(data)])
    for beyond in all_beyond:
        note = (
            f"{beyond}{origin(beyond.sources)}. JAX reads the nearest "
            "entry and raises no error. Indices begin at 0: subtract 1 from labels that begin at "
            "1, and check the size of the array. If the nearest entry is meant, write "
            "jnp.take(array, index, mode='clip')."
        )
        is_nowhere_valid = beyond.num_outside == beyond.total and beyond.sources
        if is_error or beyond.begins_at_one or is_nowhere_valid:
            raise ModelError(note)
        notes.append(note)
    notes.extend(
        f"{last}{origin(last.sources)}, which reads the last entry. pandas codes missing labels as "
        "-1: drop these rows. Ignore this warning if the last entry is meant."
        for last in all_last
    )
    for note in notes:
        warn_user(note)
    return tuple(notes)


def _beyond_gather(equation: JaxprEqn, indices: Known | None) -> list[Beyond]:
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


def _beyond_slice(equation: JaxprEqn, starts: Sequence[Known | None]) -> list[Beyond]:
    """The indices of ``array[index]``, a slice of one entry."""
    shape, sizes = equation.invars[0].aval.shape, equation.params["slice_sizes"]
    places = [
        _compared(start.compute(), shape[axis], start.sources)
        for axis, start in enumerate(starts)
        if start is not None and sizes[axis] == 1
    ]
    return [place for place in places if place is not None]


def _last_entries(operands: Sequence[Known | None]) -> list[Last]:
    """The indices -1 in ``where(index < 0, index + size, index)``, which JAX makes of an index."""
    known = [operand for operand in operands if operand is not None]
    if len(operands) != 3 or len(known) != 3:
        return []
    is_negative, index, wrapped = (operand.compute() for operand in known)
    if index.dtype.kind != "i" or not index.size or index.min() != -1 or index.max() < 0:
        return []
    size = np.unique(wrapped - index)
    if len(size) > 1 or size[0] <= 0 or not np.array_equal(is_negative, index < 0):
        return []
    return [Last(int(size[0]), int((index == -1).sum()), index.size, known[1].sources)]


def _compared(indices: np.ndarray, size: int, sources: frozenset[int]) -> Beyond | None:
    """The indices beyond the end of an axis; None if there are none."""
    if not indices.size:
        return None
    smallest, largest = int(indices.min()), int(indices.max())
    if smallest >= 0 and largest < size:
        return None
    count = int(((indices < 0) | (indices >= size)).sum())
    return Beyond(size, smallest, largest, count, indices.size, sources)
