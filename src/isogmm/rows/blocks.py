"""Data in blocks of rows: arrays, memory-mapped arrays, or a function that reads files."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from isogmm.errors import ModelError, OptionError
from isogmm.rows.leaves import FORMS, Layout

#: Bytes of a block, and bounds of its number of rows, where the user does not choose it.  Larger
#: blocks need more memory and are not faster; smaller ones cost a call of JAX for few rows.
BLOCK_BYTES, MIN_BLOCK_ROWS, MAX_BLOCK_ROWS = 2**24, 1_000, 50_000


class Block(NamedTuple):
    """Rows of the data.

    Parameters
    ----------
    arrays
        The arrays, all with the same number of rows.  Copies of the first row of the data follow
        the rows of the last block.
    num_rows
        Number of rows without these copies.
    """

    arrays: list[np.ndarray]
    num_rows: int


class Blocks:
    """The rows of the data, read in blocks of one size; each iteration is a pass over the data.

    After the first pass the rows are divided evenly among the blocks.

    Parameters
    ----------
    rows
        The data as the user gave them; see :func:`isogmm.fit_rows`.
    block_rows
        Rows of a block; None chooses them by the size of a row.

    Attributes
    ----------
    layout
        Names, types and shapes of the arrays.
    first_row
        The arrays of the first row of the data.
    num_rows
        Number of rows, known after the first pass.
    num_passes
        Number of complete passes.
    """

    def __init__(self, rows: object, block_rows: int | None = None) -> None:
        self._read = _reader(rows)
        first = next(iter(self._read()), None)
        if first is None:
            raise OptionError(f"rows has no blocks. {FORMS}")
        self.layout = Layout.of(first)
        self.first_row = self.layout.read(
            self.layout.arrays_of(first, "the first block of rows"), slice(0, 1)
        )
        if not len(self.first_row[0]):
            raise ModelError("the first block of rows is empty")
        bytes_of_row = sum(
            dtype.itemsize * int(np.prod(shape, dtype=int))
            for dtype, shape in zip(self.layout.dtypes, self.layout.shapes, strict=True)
        )
        fitting = BLOCK_BYTES // max(bytes_of_row, 1)
        self.block_rows = block_rows or int(np.clip(fitting, MIN_BLOCK_ROWS, MAX_BLOCK_ROWS))
        self.num_rows: int | None = None
        self.num_passes = 0

    def __iter__(self) -> Iterator[Block]:
        """One pass over the data.

        Raises
        ------
        ModelError
            If a block is invalid, or the number of rows differs from that of the first pass.
        """
        is_first, count = self.num_rows is None, 0
        for arrays in _cut(self._pieces(), self.block_rows):
            if is_first:
                self.layout.check_numbers(arrays, count)
            num_rows = len(arrays[0])
            count += num_rows
            yield self.padded(arrays)
        if is_first:
            if not count:
                raise ModelError("the blocks of rows are all empty: there are no data")
            self.num_rows = count
            self.block_rows = _even_size(count, self.block_rows)
        elif count != self.num_rows:
            raise ModelError(
                f"the blocks had {self.num_rows:,} rows in the first pass over the data and "
                f"{count:,} in pass {self.num_passes + 1}. The function must return a new iterable "
                "with all blocks at each call."
            )
        self.num_passes += 1

    def padded(self, arrays: list[np.ndarray]) -> Block:
        """At most ``block_rows`` rows as a block."""
        num_rows = len(arrays[0])
        missing = self.block_rows - num_rows
        if missing:
            arrays = [
                np.concatenate([array, np.repeat(first, missing, 0)])
                for array, first in zip(arrays, self.first_row, strict=True)
            ]
        return Block(arrays, num_rows)

    def split(self, arrays: list[np.ndarray]) -> list[Block]:
        """Any rows in blocks of the size of those of the data, for which programs exist."""
        size = self.block_rows
        return [
            self.padded([array[begin : begin + size] for array in arrays])
            for begin in range(0, len(arrays[0]), size)
        ]

    def _pieces(self) -> Iterator[list[np.ndarray]]:
        """The rows of the user's blocks, in pieces of at most the size of a block."""
        for number, block in enumerate(self._read()):
            arrays = self.layout.arrays_of(block, f"block {number} of rows")
            for begin in range(0, len(arrays[0]), self.block_rows):
                yield self.layout.read(arrays, slice(begin, begin + self.block_rows))


def _cut(pieces: Iterable[list[np.ndarray]], size: int) -> Iterator[list[np.ndarray]]:
    """Pieces of exactly ``size`` rows from pieces of at most as many; the last can be smaller."""
    held: list[np.ndarray] | None = None
    for piece in pieces:
        if held is not None:
            piece = [np.concatenate(pair) for pair in zip(held, piece, strict=True)]
        held = piece
        if len(held[0]) >= size:
            yield [array[:size] for array in held]
            held = [array[size:] for array in held]
    if held is not None and len(held[0]):
        yield held


def _even_size(num_rows: int, block_rows: int) -> int:
    """Rows of a block if the rows are divided evenly, at least two.

    The last block is filled with copies of the first row, which cost as much as other rows.
    """
    num_blocks = -(-num_rows // block_rows)
    return max(2, -(-num_rows // num_blocks))


def _reader(rows: object) -> Callable[[], Iterable[PyTree]]:
    """A function that returns all blocks.

    Raises
    ------
    OptionError
        If the data are an iterator, which can be read only once, or no data at all.
    """
    if isinstance(rows, Iterator):
        raise OptionError(
            "rows is an iterator, which can be read only once, and the fit reads the data several "
            "times. Pass a function that returns a new iterator: rows=lambda: read_blocks(...), "
            "or the generator function itself."
        )
    if callable(rows):
        return lambda: _blocks_of(rows)
    if isinstance(rows, list):
        return lambda: rows
    if isinstance(rows, dict | tuple) or hasattr(rows, "__array__"):
        return lambda: [rows]
    raise OptionError(f"rows must be data, not {type(rows).__name__}. {FORMS}")


def _blocks_of(read: Callable[[], Any]) -> Iterable[PyTree]:
    """The blocks that the function of the user returns."""
    found = read()
    if not isinstance(found, Iterable) or isinstance(found, dict | tuple | np.ndarray):
        raise OptionError(
            "the function that is passed as rows must return an iterable of blocks, not "
            f"{type(found).__name__}: write it with yield, or return a list of blocks"
        )
    return found
