"""Data on several devices: the programs run where the data are."""

from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import PyTree


def sharding_of(leaf: object) -> NamedSharding | None:
    """The sharding of an array on several devices; None for other arrays."""
    sharding = getattr(leaf, "sharding", None)
    is_on_several = isinstance(sharding, NamedSharding) and len(sharding.device_set) > 1
    return sharding if is_on_several else None


def spans_processes(leaf: object) -> bool:
    """Whether parts of an array belong to other processes."""
    return isinstance(leaf, jax.Array) and not leaf.is_fully_addressable


def gathered(array: Any) -> np.ndarray:
    """A NumPy array; parts of an array that belong to other processes are fetched from them."""
    if spans_processes(array) and not array.is_fully_replicated:
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))
    return np.asarray(array)


def replicated_with(data: PyTree) -> NamedSharding | None:
    """The sharding with a copy on every device of the data; None if they are on one device."""
    for leaf in jax.tree.leaves(data):
        sharding = sharding_of(leaf)
        if sharding is not None:
            return NamedSharding(sharding.mesh, PartitionSpec())
    return None


def shape_of(leaf: Any) -> jax.ShapeDtypeStruct:
    """Shape, type and sharding of an array of the data."""
    dtype = jax.dtypes.result_type(leaf)
    return jax.ShapeDtypeStruct(np.shape(leaf), dtype, sharding=sharding_of(leaf))


def shapes_of(data: PyTree) -> PyTree:
    """Shapes, types and shardings of the data.

    Arrays on one device are copied to all devices if others are on several.
    """
    everywhere = replicated_with(data)
    return jax.tree.map(
        lambda shape: (
            shape
            if everywhere is None or shape.sharding is not None
            else jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=everywhere)
        ),
        jax.tree.map(shape_of, data),
    )


def on_device(leaf: Any, shape: jax.ShapeDtypeStruct) -> jax.Array:
    """An array of the data in the type and the place of the programs; keys stay as they are."""
    if jax.dtypes.issubdtype(shape.dtype, jax.dtypes.extended):
        return leaf
    if sharding_of(leaf) is not None and sharding_of(leaf) == shape.sharding:
        return leaf if leaf.dtype == shape.dtype else leaf.astype(shape.dtype)
    return jax.device_put(np.asarray(leaf, dtype=shape.dtype), shape.sharding)


def jitted(function: Any, data: PyTree) -> Any:
    """``jax.jit`` of a function of these data, with its results on every device of the data."""
    everywhere = replicated_with(data)
    return jax.jit(function) if everywhere is None else jax.jit(function, out_shardings=everywhere)


def placed(shapes: tuple, data: PyTree, *, points: bool = False) -> tuple:
    """The shapes of further arguments, with their place on the devices of the data.

    Every device has a copy of them.  Points are divided among the devices instead if every device
    has a copy of all data.

    Parameters
    ----------
    shapes
        The shapes.
    data
        The data.
    points
        Whether the first axis of the shapes are points that are evaluated together.
    """
    place = replicated_with(data)
    if place is None:
        return shapes
    if points and _can_divide(shapes[0].shape[0], place, data):
        place = NamedSharding(place.mesh, PartitionSpec(place.mesh.axis_names))
    return tuple(jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=place) for s in shapes)


def _can_divide(num_points: int, place: NamedSharding, data: PyTree) -> bool:
    """Whether all devices belong to this process, have all data, and get equally many points."""
    shardings = [sharding_of(leaf) for leaf in jax.tree.leaves(data)]
    has_all = all(each is None or each.is_fully_replicated for each in shardings)
    return place.is_fully_addressable and has_all and num_points % place.num_devices == 0
