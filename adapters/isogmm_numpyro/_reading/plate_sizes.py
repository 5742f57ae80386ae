"""Data that have fewer rows than their plate; JAX and NumPyro would silently repeat rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn
from numpyro.distributions import Distribution
from numpyro.distributions.distribution import ExpandedDistribution, Independent

from isogmm.errors import warn_user
from isogmm_numpyro._statements.sites import Site, Sites
from isogmm_numpyro._types import Message


def repeated_value(site: Message, described: Site) -> str:
    """The message for an observed value that a plate would count several times, or an empty text.

    The value and the distribution are constant along the plate.  A value that is constant while the
    parameters of the distribution vary is an observation for each of them.

    Parameters
    ----------
    site
        The statement.
    described
        Its properties.
    """
    fn, shape = site["fn"], tuple(np.shape(site["value"]))
    batch = shape[: len(shape) - fn.event_dim]
    for name, dim, size in described.plates:
        if size > 1 and _is_constant(batch, dim) and _is_constant(_own_batch(fn), dim):
            expected = *fn.batch_shape, *shape[len(batch) :]
            return (
                f"the plate '{name}' has size {size:,}, but the observed values of the site "
                f"'{described.name}' have shape {shape} instead of {expected}: each of them would "
                f"count {size:,} times. {_remedy(name, size)}"
            )
    return ""


def warn_repeated(sites: Sites) -> tuple[str, ...]:
    """Warn of observed values that are broadcast against their distribution.

    Returns
    -------
    tuple of str
        The warnings, for the report.
    """
    notes = tuple(
        f"the observed site '{name}' counts its values more than once, because their shape "
        f"differs from that of the distribution ({shapes}). Give both one shape, for example "
        "with values[:, 0] or a numpyro.plate."
        for name, shapes in sites.repeated.items()
    )
    for note in notes:
        warn_user(note)
    return tuple(note[0].upper() + note[1:] for note in notes)


def _own_batch(fn: Distribution) -> tuple[int, ...]:
    """The batch shape before plates have expanded the distribution."""
    if isinstance(fn, ExpandedDistribution):
        return _own_batch(fn.base_dist)
    if isinstance(fn, Independent):
        own = _own_batch(fn.base_dist)
        return own[: len(own) - fn.reinterpreted_batch_ndims]
    return fn.batch_shape


def _is_constant(batch: tuple[int, ...], dim: int) -> bool:
    """Whether a batch shape has no axis ``dim``, which is negative, or one of length 1."""
    return len(batch) < -dim or batch[dim] == 1


def plates_in_words(plates: Iterable[tuple[str, int]]) -> str:
    """Sentences with the sizes of plates and the remedy for data with fewer rows, or an empty text.

    Parameters
    ----------
    plates
        Name and size of each plate around a site.
    """
    sizes = dict(plates)
    if not sizes:
        return ""
    listed = ", ".join(f"'{name}' of size {size:,}" for name, size in sizes.items())
    return f"The plates around the site are {listed}. {_remedy(*next(iter(sizes.items())))}"


def _remedy(plate: str, size: int, rows: str = "n") -> str:
    return (
        f"Pass all {size:,} rows, or give the plate the number of rows of the data. If the data "
        f"are a minibatch, use numpyro.plate('{plate}', {size}, subsample_size={rows})."
    )


class _OutOfBounds(NamedTuple):
    """An array of this shape that is indexed with ``rows`` along an axis with fewer entries."""

    shape: tuple[int, ...]
    rows: int


def repeated_rows(jaxpr: ClosedJaxpr, sites: Mapping[str, Site]) -> str:
    """The message for data that the rows of a larger plate index, or an empty text.

    JAX takes the last row in place of rows that do not exist.

    Parameters
    ----------
    jaxpr
        The computation of the model.
    sites
        The sites whose plates are examined.
    """
    for found in _out_of_bounds(jaxpr.jaxpr, dict(_constants(jaxpr))):
        for site in sites.values():
            for name, _, size in site.plates:
                if size == found.rows:
                    return (
                        f"the plate '{name}' of the site '{site.name}' has size {size:,}, but its "
                        f"rows index an array of shape {found.shape}: JAX would repeat the last "
                        f"row of the array. {_remedy(name, size, str(found.shape[0]))}"
                    )
    return ""


def _constants(jaxpr: ClosedJaxpr) -> Iterator[tuple[int, np.ndarray]]:
    """Integer and boolean constants by the ``id`` of their variable."""
    for variable, value in zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True):
        dtype = getattr(variable.aval, "dtype", None)
        if dtype in (np.int32, np.int64, np.bool_):
            yield id(variable), np.asarray(value)


def _out_of_bounds(jaxpr: Jaxpr, known: dict[int, np.ndarray]) -> Iterator[_OutOfBounds]:
    """Arrays that are indexed beyond their end, by indices that do not depend on any input.

    Indices that state what happens beyond the end (``x.at[i].get(mode=...)``) are left out.

    Parameters
    ----------
    jaxpr
        The computation.
    known
        Values of variables by their ``id``; computed ones are added.
    """
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        values = [
            np.asarray(variable.val) if hasattr(variable, "val") else known.get(id(variable))
            for variable in equation.invars
        ]
        inner = equation.params.get("jaxpr")
        if name in ("jit", "pjit") and isinstance(inner, ClosedJaxpr):
            own = dict(_constants(inner))
            pairs = zip(inner.jaxpr.invars, values, strict=True)
            own |= {id(variable): value for variable, value in pairs if value is not None}
            yield from _out_of_bounds(inner.jaxpr, own)
            for outer, result in zip(equation.outvars, inner.jaxpr.outvars, strict=True):
                if id(result) in own:
                    known[id(outer)] = own[id(result)]
        elif name == "gather" and values[1] is not None:
            yield from _beyond(equation, values[1])
        elif name in _OPERATIONS and all(value is not None for value in values):
            result = _OPERATIONS[name](equation.params, *values)
            known[id(equation.outvars[0])] = np.asarray(result)


def _beyond(equation: JaxprEqn, indices: np.ndarray) -> Iterator[_OutOfBounds]:
    """The array of a ``gather``, if an index lies beyond its end and nothing says what then."""
    shape, params = tuple(equation.invars[0].aval.shape), equation.params
    if params["mode"] is not jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS or not indices.size:
        return
    for place, axis in enumerate(params["dimension_numbers"].start_index_map):
        largest = int(indices[..., place].max())
        if largest > shape[axis] - params["slice_sizes"][axis]:
            yield _OutOfBounds(shape, largest + 1)


def _iota(params: Mapping) -> np.ndarray:
    shape, axis = params["shape"], params["dimension"]
    column = [-1 if index == axis else 1 for index in range(len(shape))]
    return np.broadcast_to(np.arange(shape[axis]).reshape(column), shape)


def _broadcast(params: Mapping, value: np.ndarray) -> np.ndarray:
    shape, kept = params["shape"], params["broadcast_dimensions"]
    sizes = dict(zip(kept, value.shape, strict=True))
    return np.broadcast_to(value.reshape([sizes.get(axis, 1) for axis in range(len(shape))]), shape)


def _select(
    params: Mapping, which: np.ndarray, first: np.ndarray, second: np.ndarray
) -> np.ndarray:
    return np.asarray(np.where(which, second, first))


#: The operations with which JAX computes indices from the rows of a plate.
_OPERATIONS: dict[str, Callable[..., np.ndarray]] = {
    "iota": _iota,
    "broadcast_in_dim": _broadcast,
    "lt": lambda params, left, right: left < right,
    "add": lambda params, left, right: left + right,
    "select_n": _select,
    "convert_element_type": lambda params, value: value.astype(params["new_dtype"]),
    "reshape": lambda params, value: value.reshape(params["new_sizes"]),
    "squeeze": lambda params, value: np.squeeze(value, params["dimensions"]),
    "concatenate": lambda params, *values: np.concatenate(values, params["dimension"]),
    "copy": lambda params, value: value,
}
