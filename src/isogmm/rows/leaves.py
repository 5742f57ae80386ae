"""The arrays of a block: their paths, types and shapes, and what makes a block invalid."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from isogmm.errors import ModelError, OptionError

#: Kinds of NumPy data types that a program accepts: booleans, integers and floats.
KINDS = "biuf"
#: How an error about rows ends.
FORMS = (
    "Pass a dict, a tuple or an array whose arrays have the rows along the first axis, or a "
    "function without arguments that returns an iterable of such blocks."
)


@dataclass(frozen=True)
class Layout:
    """What all blocks have in common.

    Parameters
    ----------
    structure
        The pytree structure.
    paths
        Path of each array, for messages: ``x``, or ``0`` in a tuple.
    dtypes
        Type of each array; floats have 64 bits.
    shapes
        Shape of a row of each array.
    """

    structure: Any
    paths: tuple[str, ...]
    dtypes: tuple[np.dtype, ...]
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, block: PyTree) -> "Layout":
        """The layout of the first block.

        Raises
        ------
        OptionError
            If an entry is not an array of numbers with at least one axis.
        """
        found, structure = jax.tree_util.tree_flatten_with_path(block)
        if not found:
            raise OptionError(f"rows has no arrays. {FORMS}")
        paths = tuple(_in_words(path) for path, _ in found)
        arrays = [_head(leaf) for _, leaf in found]
        for path, array in zip(paths, arrays, strict=True):
            if array.ndim < 1 or array.dtype.kind not in KINDS:
                raise OptionError(
                    f"the entry {path} of rows must be an array of numbers with the rows along the "
                    f"first axis, not an array of type {array.dtype} and shape {array.shape}. Pass "
                    "arguments that all rows share as model_kwargs=."
                )
        dtypes = tuple(np.dtype(float) if a.dtype.kind == "f" else a.dtype for a in arrays)
        return cls(structure, paths, dtypes, tuple(array.shape[1:] for array in arrays))

    def arrays_of(self, block: PyTree, name: str) -> list[Any]:
        """The arrays of a block, without reading them.

        Parameters
        ----------
        block
            The block.
        name
            The name of the block, for messages.

        Raises
        ------
        ModelError
            If the block differs from the layout, or its arrays have different numbers of rows.
        """
        arrays, structure = jax.tree.flatten(block)
        if structure != self.structure:
            raise ModelError(
                f"{name} has the structure {structure}, but the first block has {self.structure}: "
                "all blocks need the same names."
            )
        for path, array, shape, dtype in zip(
            self.paths, arrays, self.shapes, self.dtypes, strict=True
        ):
            if np.shape(array)[1:] != shape or np.ndim(array) < 1:
                raise ModelError(
                    f"{name} has the shape {np.shape(array)} for {path}, but a row of the first "
                    f"block has the shape {shape}: all blocks need the same columns."
                )
            # Integers of a larger type would lose their first bits.
            common = np.result_type(_head(array).dtype, dtype)
            if common.kind != dtype.kind or (dtype.kind != "f" and common != dtype):
                raise ModelError(
                    f"{name} has the type {_head(array).dtype} for {path}, but the first block has "
                    f"{dtype}: convert all blocks to one type."
                )
        counts = {path: len(array) for path, array in zip(self.paths, arrays, strict=True)}
        if len(set(counts.values())) > 1:
            listed = ", ".join(f"{path} has {count:,}" for path, count in counts.items())
            raise ModelError(f"{name} has arrays of different numbers of rows: {listed}.")
        return arrays

    def read(self, arrays: Sequence[Any], rows: slice) -> list[np.ndarray]:
        """Some rows of all arrays, in memory and with the types of the layout."""
        return [
            np.asarray(array[rows], dtype=dtype)
            for array, dtype in zip(arrays, self.dtypes, strict=True)
        ]

    def check_numbers(self, arrays: Sequence[np.ndarray], first_row: int) -> None:
        """Check that rows are not NaN or infinite.

        Parameters
        ----------
        arrays
            The rows.
        first_row
            Number of the first of them in the data, for the message.

        Raises
        ------
        ModelError
            If a number is NaN or infinite; the message names the row.
        """
        for path, array in zip(self.paths, arrays, strict=True):
            if array.dtype.kind != "f":
                continue
            is_finite = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
            if not is_finite.all():
                bad = np.flatnonzero(~is_finite)
                raise ModelError(
                    f"row {first_row + bad[0]:,} of {path} has a value that is NaN or infinite "
                    f"({len(bad):,} such rows in this block): remove these rows, or impute them."
                )

    def tree(self, arrays: Sequence[np.ndarray]) -> PyTree:
        """The block of these arrays."""
        return jax.tree.unflatten(self.structure, arrays)


def _head(leaf: Any) -> np.ndarray:
    """An array of the type of a leaf; large arrays are not copied."""
    return leaf if isinstance(leaf, np.ndarray | jax.Array) else np.asarray(leaf)


def _in_words(path: Sequence[Any]) -> str:
    """The path of an array: ``'x'``, or ``0`` in a tuple; ``rows`` for a single array."""
    keys = [getattr(key, "key", getattr(key, "idx", key)) for key in path]
    return ".".join(repr(key) for key in keys) or "rows"
