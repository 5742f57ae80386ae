"""Draws of several methods as matrices whose columns mean the same, or an error that names why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.groups import get_group, group_names

#: The name under which a plain reference (not one of the methods) appears.
REFERENCE = "reference"


@dataclass(frozen=True)
class Draws:
    """Draws of one method.

    Parameters
    ----------
    name
        The method.
    values
        (c, n, p): chains, draws, scalars; the scalars are those of every other method.
    labels
        One per scalar: ``mu``, ``theta[school A]``.
    idata
        The ArviZ object they come from, or None for plain draws.
    """

    name: str
    values: Float[np.ndarray, "c n p"]
    labels: tuple[str, ...]
    idata: Any = None

    @property
    def rows(self) -> Float[np.ndarray, "m p"]:
        """All chains below each other."""
        return self.values.reshape(-1, self.values.shape[-1])


@dataclass(frozen=True)
class _Variable:
    """One variable as it came: ``dims`` is None for plain arrays, which carry no names."""

    values: np.ndarray
    dims: tuple[str, ...] | None
    labels: Mapping[str, np.ndarray]


def read(
    results: Mapping[str, Any], reference: Any, var_names: str | Sequence[str] | None = None
) -> tuple[list[Draws], str]:
    """Draws of all methods with equal columns, the reference's among them, and its name.

    Parameters
    ----------
    results
        Method to ArviZ object, ``xarray.Dataset`` of draws, or mapping from variable to an array
        (chain, draw, ...) or (draw, ...).
    reference
        A key of ``results``, or draws in any of these forms, which then are called
        ``reference``.
    var_names
        Variables to compare; all unless given.

    Raises
    ------
    OptionError
        If the reference is unknown, or variables, shapes or labels differ: names them.
    """
    if not isinstance(results, Mapping) or not results:
        raise OptionError('results must be a mapping such as {"isogmm": idata, "nuts": other}')
    methods = {str(name): result for name, result in results.items()}
    if isinstance(reference, str):
        if reference not in methods:
            raise OptionError(f"reference={reference!r} is none of the results {list(methods)}")
    elif REFERENCE in methods:
        raise OptionError(f"a result may not be called {REFERENCE!r} beside a plain reference")
    else:
        methods[REFERENCE], reference = reference, REFERENCE
    wanted = [var_names] if isinstance(var_names, str) else var_names
    found = {name: _variables(name, result) for name, result in methods.items()}
    names = _names(found, reference, wanted)
    # A plain reference has no dims: borrow those of the first method that has some.
    named = [name for name in (reference, *found) if _is_named(found[name], names)]
    template = found[named[0] if named else reference]
    if not named:
        template = {name: _with_chain(v, v.values.ndim - 2) for name, v in template.items()}
    problems, columns = [], {}
    for method, variables in found.items():
        parts = []
        for name in names:
            try:
                parts.append(_aligned(variables[name], template[name], name))
            except OptionError as error:
                problems.append(f"{method!r}: {error}")
        columns[method] = parts
    if problems:
        raise OptionError(
            f"results do not fit {named[0] if named else reference!r}. " + " ".join(problems)
        )
    labels = tuple(label for name in names for label in _scalar_labels(name, template[name]))
    draws = []
    for method, parts in columns.items():
        sizes = {part.shape[:2] for part in parts}
        if len(sizes) > 1:
            raise OptionError(
                f"{method!r}: variables have unlike numbers of draws, {sorted(sizes)}"
            )
        values = np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=-1)
        if values.shape[0] * values.shape[1] < 10:
            raise OptionError(f"{method!r} has {values.shape[:2]} chains and draws: too few")
        source = methods[method]
        draws.append(Draws(method, values, labels, source if _is_result(source) else None))
    return draws, reference


def _is_result(result: Any) -> bool:
    """Whether it is an ArviZ object: something with groups."""
    if isinstance(result, xr.DataTree):
        return bool(result.children)
    return callable(getattr(result, "groups", None)) and not isinstance(result, xr.Dataset)


def _variables(method: str, result: Any) -> dict[str, _Variable]:
    if _is_result(result):
        if "posterior" not in group_names(result):
            raise OptionError(f"{method!r} has no group 'posterior', only {group_names(result)}")
        result = get_group(result, "posterior")
    if isinstance(result, xr.Dataset):
        return {str(name): _from_xarray(array) for name, array in result.data_vars.items()}
    if isinstance(result, Mapping):
        return {str(name): _Variable(np.asarray(array), None, {}) for name, array in result.items()}
    raise OptionError(
        f"{method!r} is a {type(result).__name__}: give an ArviZ object, a Dataset of draws or a "
        "mapping from variable to draws"
    )


def _from_xarray(array: xr.DataArray) -> _Variable:
    if not {"chain", "draw"} <= set(array.dims):
        raise OptionError(f"variable {array.name!r} has dims {array.dims}, without chain and draw")
    array = array.transpose("chain", "draw", ...)
    dims = tuple(str(dim) for dim in array.dims[2:])
    labels = {dim: np.asarray(array[dim].values) for dim in dims if dim in array.coords}
    return _Variable(np.asarray(array.values), dims, labels)


def _names(
    found: Mapping[str, Mapping[str, _Variable]], reference: str, wanted: Sequence[str] | None
) -> list[str]:
    names = list(found[reference]) if wanted is None else list(dict.fromkeys(wanted))
    problems = []
    for method, variables in found.items():
        missing = [name for name in names if name not in variables]
        extra = [name for name in variables if name not in names] if wanted is None else []
        if missing:
            problems.append(f"{method!r} lacks {missing}")
        if extra:
            problems.append(f"{method!r} has {extra}, which {reference!r} lacks")
    if problems:
        shared = [name for name in found[reference] if all(name in v for v in found.values())]
        raise OptionError(
            "the results hold different variables: " + "; ".join(problems) + ". "
            f"Compare what they share with var_names={shared}"
        )
    if not names:
        raise OptionError("there is no variable to compare")
    return names


def _is_named(variables: Mapping[str, _Variable], names: Sequence[str]) -> bool:
    return all(variables[name].dims is not None for name in names)


def _with_chain(variable: _Variable, ndim: int) -> _Variable:
    """(chain, draw, ...) from draws with ``ndim`` axes of their own: one chain where none is."""
    values = variable.values
    if values.ndim == ndim + 1:
        values = values[None]
    return _Variable(values, variable.dims, variable.labels)


def _aligned(variable: _Variable, template: _Variable, name: str) -> np.ndarray:
    """The variable's draws, axes and entries in the order of the template."""
    shape = template.values.shape[2:]
    if variable.dims is None:
        variable = _with_chain(variable, len(shape))
    values = variable.values
    if values.dtype.kind not in "biuf":
        raise OptionError(f"{name} holds {values.dtype}, not numbers; leave it out of var_names.")
    dims, expected = variable.dims, template.dims
    if dims and expected and dims != expected and set(dims) == set(expected):
        values = values.transpose(0, 1, *(2 + dims.index(dim) for dim in expected))
        dims = expected
    if values.shape[2:] != shape and values.ndim != len(shape) + 2:
        raise OptionError(f"{name} has shape {values.shape[2:]}, expected {shape}.")
    for axis, size in enumerate(shape):
        labels = variable.labels.get(dims[axis]) if dims else None
        other = template.labels.get(expected[axis]) if expected else None
        where = f"{name}, dimension {expected[axis] if expected else axis!r}"
        has_names = not (_is_plain(labels) or _is_plain(other)) or _are_the_same(labels, other)
        order = _order(labels, other, where) if has_names else np.arange(values.shape[2 + axis])
        if len(order) != size:
            raise OptionError(f"{where}: {len(order)} entries, expected {size}.")
        values = np.take(values, order, axis=2 + axis)
    return np.asarray(values, dtype=np.float64)


def _is_plain(labels: np.ndarray | None) -> bool:
    """Whether labels only count: 0, 1, 2, ..."""
    return labels is None or np.array_equal(labels, np.arange(len(labels)))


def _are_the_same(labels: np.ndarray | None, other: np.ndarray | None) -> bool:
    """Whether both have labels, and the same ones, in whatever order."""
    if labels is None or other is None:
        return False
    return sorted(map(str, labels)) == sorted(map(str, other))


def _order(labels: Any, expected: Any, where: str) -> np.ndarray:
    """Where the expected labels stand among those of a method."""
    have, want = [str(label) for label in labels], [str(label) for label in expected]
    if have == want:
        return np.arange(len(have))
    missing = [label for label in want if label not in have]
    extra = [label for label in have if label not in want]
    if missing or extra or len(set(have)) < len(have):
        raise OptionError(f"{where}: labels missing {missing[:5]}, not expected {extra[:5]}.")
    return np.array([have.index(label) for label in want], dtype=int)


def _scalar_labels(name: str, template: _Variable) -> list[str]:
    shape = template.values.shape[2:]
    if not shape:
        return [name]
    axes = [
        template.labels.get(template.dims[axis]) if template.dims else None
        for axis in range(len(shape))
    ]
    texts = [
        [str(label) for label in (np.arange(size) if labels is None else labels)]
        for labels, size in zip(axes, shape, strict=True)
    ]
    return [
        f"{name}[{', '.join(texts[axis][i] for axis, i in enumerate(index))}]"
        for index in np.ndindex(*shape)
    ]
