"""Conversion between a flat position and the pytree that a user's function takes."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float, PyTree, PyTreeDef

from isogmm.arrays import Array, size_of, split
from isogmm.errors import ModelError, OptionError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Structure:
    """The pytree that the user's functions take, with names for its leaves.

    Parameters
    ----------
    treedef
        Structure of the pytree.
    paths, shapes, dtypes
        Path (``"group.scale"``), shape and type of each leaf.  The path of a bare array is "".
    variables
        Shapes of the variables by name, in flat order.
    """

    treedef: PyTreeDef
    paths: tuple[str, ...]
    shapes: tuple[Shape, ...]
    dtypes: tuple[np.dtype, ...]
    variables: dict[str, Shape]

    @classmethod
    def of(
        cls, example: PyTree, names: str | Sequence[str] | Mapping[str, str] | None, *, is_jax: bool
    ) -> "Structure":
        """The structure of an example whose leaves are arrays."""
        leaves, treedef = jax.tree_util.tree_flatten_with_path(example)
        paths = tuple(_path_name(path) for path, _ in leaves)
        arrays = [array for _, array in leaves]
        for path, array in zip(paths, arrays, strict=True):
            if not np.issubdtype(array.dtype, np.floating):
                raise ModelError(
                    f"example has {array.dtype} values at {path or 'its top'!r}: positions are "
                    "continuous, so write floating point numbers (0.0 instead of 0)"
                )
        shapes = tuple(array.shape for array in arrays)
        dtypes = tuple(array.dtype for array in arrays)
        if is_jax:
            dtypes = tuple(jax.dtypes.canonicalize_dtype(dtype) for dtype in dtypes)
        return cls(treedef, paths, shapes, dtypes, _variables(paths, shapes, names))

    @functools.cached_property
    def dim(self) -> int:
        """Length d of a flat position."""
        return sum(size_of(shape) for shape in self.shapes)

    def unravel(self, positions: Array) -> PyTree:
        """The pytree of a flat position, each leaf in its own type; leading axes are kept."""
        parts = split(positions, self.shapes)
        leaves = [part.astype(dtype) for part, dtype in zip(parts, self.dtypes, strict=True)]
        return jax.tree.unflatten(self.treedef, leaves)

    def split(self, positions: Array) -> dict[str, Array]:
        """The variables of a flat position by name; leading axes are kept."""
        parts = split(positions, self.variables.values())
        return dict(zip(self.variables, parts, strict=True))

    def ravel(self, tree: PyTree, lead: Shape, what: str) -> Float[np.ndarray, "*n d"]:
        """The flat position of a pytree.

        Parameters
        ----------
        tree
            A pytree of this structure, returned by a function of the user.
        lead
            Leading axes of each leaf.
        what
            What the pytree is, for messages.

        Raises
        ------
        ModelError
            If the pytree has another structure or a leaf has another shape.
        """
        if self.paths == ("",):
            leaves = [tree]
        else:
            leaves, treedef = jax.tree.flatten(tree)
            if treedef != self.treedef:
                raise ModelError(
                    f"{what} has the structure {treedef}, but the example has "
                    f"{self.treedef}: they must be the same"
                )
        parts = []
        for path, shape, leaf in zip(self.paths, self.shapes, leaves, strict=True):
            array = np.asarray(leaf, dtype=np.float64)
            if array.shape != (*lead, *shape):
                place = f" for {path!r}" if path else ""
                raise ModelError(
                    f"{what} has shape {array.shape}{place}, expected {(*lead, *shape)}"
                )
            parts.append(array.reshape((*lead, -1)))
        return np.concatenate(parts, axis=-1) if parts else np.zeros((*lead, 0))


def _variables(
    paths: tuple[str, ...],
    shapes: tuple[Shape, ...],
    names: str | Sequence[str] | Mapping[str, str] | None,
) -> dict[str, Shape]:
    """Shapes of the variables by the names that the user chose, or by their paths."""
    defaults = [path or "x" for path in paths]
    if isinstance(names, Mapping):
        unknown = sorted(set(names) - set(defaults))
        if unknown:
            raise OptionError(f"names has unknown paths {unknown}; the example has {defaults}")
        chosen = [names.get(path, path) for path in defaults]
    elif names is None or isinstance(names, str):
        chosen = defaults if names is None else [names]
    elif paths == ("",) and shapes[0] == (len(names),):
        # Each entry of a single vector is a variable with its own name.
        chosen, shapes = list(names), ((),) * len(names)
    else:
        chosen = list(names)
    if len(chosen) != len(shapes):
        raise OptionError(
            f"names has {len(chosen)} entries; the example has {len(shapes)} arrays of shapes "
            f"{list(shapes)}: {defaults}"
        )
    if len(set(chosen)) < len(chosen):
        repeated = sorted({name for name in chosen if chosen.count(name) > 1})
        raise OptionError(f"two variables have the same name: {repeated}")
    return dict(zip(chosen, shapes, strict=True))


def _path_name(path: Sequence[object]) -> str:
    """``group.scale`` for a path of dictionary keys, list positions and attribute names."""
    parts = []
    for entry in path:
        fields = (getattr(entry, field, None) for field in ("key", "idx", "name"))
        parts.append(str(next(field for field in fields if field is not None)))
    return ".".join(parts)
