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
from isogmm.model.jax_target import JaxPrograms
from isogmm.model.known_values import Known, known_values

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

    def visit(equation: JaxprEqn, operands: Sequence[Known | None]) -> None:
        if equation.primitive.name == "gather":
            found.extend(_beyond_gather(equation, operands[1]))
        elif equation.primitive.name == "dynamic_slice":
            found.extend(_beyond_slice(equation, operands[1:]))

    try:
        known_values(program, inputs, visit)
    except Exception:  # another version of JAX may have other parameters of an operation
        return []
    return list(dict.fromkeys(found))[:MAX_PLACES]


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


def _compared(indices: np.ndarray, size: int, sources: frozenset[int]) -> Beyond | None:
    """The indices beyond the end of an axis; None if there are none."""
    if not indices.size:
        return None
    smallest, largest = int(indices.min()), int(indices.max())
    if smallest >= 0 and largest < size:
        return None
    count = int(((indices < 0) | (indices >= size)).sum())
    return Beyond(size, smallest, largest, count, indices.size, sources)
