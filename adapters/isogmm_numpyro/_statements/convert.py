"""Data in other forms than arrays: conversion to arrays, and descriptions for error messages."""

import array
import numbers
from collections import deque
from collections.abc import Callable, Iterator, KeysView, Mapping, Sized, ValuesView
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from isogmm_numpyro._statements.arguments import is_array

#: Kinds of NumPy data types that are numbers.
_NUMBERS = "biufc"
#: Sequences of Python that NumPy does not take for arrays, or that have another meaning there.
_SEQUENCES = (list, tuple, range, deque, array.array, memoryview, KeysView, ValuesView)
#: Elements of a list that a description looks at, and lengths of rows that it lists.
_MAX_ELEMENTS, _MAX_LENGTHS = 1000, 4


def converted(
    args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Iterator[tuple[tuple[object, ...], dict[str, object]]]:
    """The arguments with their data as arrays, in the ways in which a model may expect them.

    Lists and other sequences of numbers, and objects that NumPy can convert (pandas, polars,
    xarray) become arrays. A table becomes a matrix first, and :class:`Columns` next.
    Nothing is yielded if there is nothing to convert.
    """
    for table in (_matrix, columns_of):
        conversion = _Conversion(table)
        new_args = tuple(conversion(value) for value in args)
        new_kwargs = {name: conversion(value) for name, value in kwargs.items()}
        if conversion.count:
            yield new_args, new_kwargs
        if not conversion.num_tables:
            return


@dataclass
class _Conversion:
    """Converts data inside nested arguments, and counts what it converts.

    Parameters
    ----------
    table
        Converts a table with named columns; None if it cannot be converted.
    """

    table: Callable[[object], object]
    count: int = 0
    num_tables: int = 0

    def __call__(self, value: Any) -> Any:
        """The value with all data as arrays; values of other types stay."""
        is_table = _names_of_columns(value) is not None
        self.num_tables += is_table
        new = self.table(value) if is_table else _numeric(value)
        if new is not None:
            self.count += 1
            return new
        if isinstance(value, dict):
            return {key: self(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self(item) for item in value]
        if isinstance(value, tuple):
            items = [self(item) for item in value]
            return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
        return value


class Columns(dict[object, object]):
    """The columns of a table by name; ``table.x`` is ``table["x"]``, as for a data frame."""

    def __getattr__(self, name: str) -> object:
        """The column of this name."""
        if name in self:
            return self[name]
        raise AttributeError(name)


def _with_paths(columns: Columns) -> tuple[list[tuple[object, object]], tuple[object, ...]]:
    paths = [(jax.tree_util.DictKey(name), column) for name, column in columns.items()]
    return paths, tuple(columns)


jax.tree_util.register_pytree_with_keys(
    Columns, _with_paths, lambda names, columns: Columns(zip(names, columns, strict=True))
)


def _names_of_columns(value: Any) -> list[object] | None:
    """The names of a data frame, a structured array or an xarray Dataset; None for others."""
    if all(hasattr(value, name) for name in ("columns", "dtypes", "__array__", "__getitem__")):
        return list(value.columns)
    if isinstance(value, np.ndarray) and value.dtype.names:
        return list(value.dtype.names)
    if hasattr(value, "data_vars") and hasattr(value, "coords"):
        return list(value.variables)
    return None


def columns_of(table: Any) -> Columns:
    """The columns of a table, those of numbers as arrays."""
    columns = Columns()
    for name in _names_of_columns(table) or ():
        array = _numeric(table[name])
        columns[name] = table[name] if array is None else array
    return columns


def _matrix(table: Any) -> object:
    """A table as a matrix if it is a data frame of numbers, else its columns."""
    return _numeric(table) if hasattr(table, "columns") else columns_of(table)


def _numeric(value: object) -> np.ndarray | None:
    """The value as an array of numbers with at least one axis, or None."""
    if is_array(value) or not (isinstance(value, _SEQUENCES) or hasattr(value, "__array__")):
        return None
    if hasattr(value, "_fields") or np.ma.is_masked(value):  # a named tuple; missing values
        return None
    if isinstance(value, deque | KeysView | ValuesView):
        value = list(value)
    array = _as_array(value)
    if array is None or array.ndim == 0:
        return None
    if array.dtype.kind == "O" and all(isinstance(item, numbers.Number) for item in array.flat):
        array = np.array(array.tolist())
    return array if array.dtype.kind in _NUMBERS and array.size else None


def _as_array(value: object) -> np.ndarray | None:
    """NumPy's own conversion; None where it fails, as for lists of different lengths."""
    try:
        return np.asarray(value)
    except Exception:  # the conversion is the code of another package
        return None


class Described(NamedTuple):
    """An argument or an entry of it with which JAX cannot compute.

    Parameters
    ----------
    value, name
        The value, and its name: ``x``, or ``data['x']`` for an entry.
    kind, remedy
        What the value is, and what to pass instead.
    """

    value: object
    name: str
    kind: str
    remedy: str


def describe(name: str, value: Any) -> Described | None:
    """An argument or an entry of it with which JAX cannot compute; None for other arguments.

    Arrays of numbers, what :func:`converted` turns into them, and objects that are no data are
    not described.

    Parameters
    ----------
    name, value
        Name and value of the argument. The result names the entry if only one is the cause.
    """
    if _numeric(value) is not None or is_array(value) or isinstance(value, numbers.Number):
        return None
    if value is None:
        return Described(value, name, "None", "Pass the data.")
    if isinstance(value, str | bytes):
        kind = "a string" if isinstance(value, str) else "a bytes object"
        return Described(value, name, kind, "Pass the data themselves, or integer codes for text.")
    if np.ma.is_masked(value):
        return Described(
            value,
            name,
            f"a masked array with {np.ma.count_masked(value)} missing values",
            f"Drop these values, or pass {name}.filled(0) and the array "
            f"~numpy.ma.getmaskarray({name}), and select the valid ones by numpyro.handlers.mask.",
        )
    kind = _name_of(value)
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        remedy = f"Pass {name}.toarray(), or jax.experimental.sparse.BCOO.from_scipy_sparse({name})"
        return Described(value, name, f"{kind}, a sparse matrix", f"{remedy}.")
    entries: Mapping[Any, object] | None = value if isinstance(value, Mapping) else None
    if _names_of_columns(value) is not None:
        entries = columns_of(value)
    if entries is not None:
        described = (describe(f"{name}[{key!r}]", entries[key]) for key in entries)
        found = next((found for found in described if found), None)
        if found or not isinstance(value, dict):
            return found
        return Described(value, name, kind, "Pass its entries, for example as model_kwargs={...}.")
    if isinstance(value, set | frozenset):
        return Described(
            value, name, f"{kind}, which has no order", "Pass a sorted list of its numbers."
        )
    if isinstance(value, Iterator):
        return Described(
            value, name, f"{kind}, which can be read only once", "Pass a NumPy array or a list."
        )
    if not isinstance(value, list | tuple) and not hasattr(value, "__array__"):
        return Described(value, name, kind, "Pass a NumPy array of numbers.")
    array = _as_array(value)
    if array is not None:
        elements = _describe_elements(kind, array) if array.ndim else None
        return None if elements is None else Described(value, name, *elements)
    lengths = {len(one) if isinstance(one, Sized) else 1 for one in value}
    if len(lengths) < 2:
        return Described(value, name, kind, "Pass a NumPy array of numbers.")
    listed = ", ".join(map(str, sorted(lengths)[:_MAX_LENGTHS]))
    return Described(
        value,
        name,
        f"{kind} of rows of different lengths ({listed}{', ...' * (len(lengths) > _MAX_LENGTHS)})",
        "Pass one flat array and an array with the row of each entry, or fill the rows up to one "
        "length and mask the fill.",
    )


def _describe_elements(kind: str, array: np.ndarray) -> tuple[str, str] | None:
    """Description and remedy for data whose elements are not numbers; None without elements."""
    if not array.size:
        return f"{kind} without entries", "Check where the data come from."
    elements = list(array.flat[:_MAX_ELEMENTS])
    types = list(dict.fromkeys(type(item).__name__ for item in elements))
    if array.dtype.kind == "m" or set(types) <= _DURATIONS:
        return f"{kind} of durations", "Pass numbers, such as array / numpy.timedelta64(1, 'D')."
    if array.dtype.kind == "M" or set(types) <= _DATES:
        return f"{kind} of dates", "Pass numbers, for example days since the first date."
    if any(isinstance(item, str) for item in elements):
        return (
            f"{kind} of strings",
            "Pass integer codes: numpy.unique(labels, return_inverse=True)[1], or numbers if the "
            "strings are numbers: array.astype(float).",
        )
    if any(item is None or type(item).__name__ in ("NAType", "NaTType") for item in elements):
        return (
            f"{kind} with missing values (None or NA)",
            "Drop these rows, or pass NaN in a float array and mask them with "
            "numpyro.handlers.mask.",
        )
    if types == ["int"]:
        return f"{kind} with whole numbers of more than 64 bits", "Pass floating-point numbers."
    return f"{kind} with elements of type {', '.join(types)}", "Pass NumPy arrays of numbers."


#: Types of durations and of dates, of Python and pandas.
_DURATIONS = {"Timedelta", "timedelta"}
_DATES = _DURATIONS | {"Timestamp", "Period", "NaTType", "datetime", "date", "time"}


def _name_of(value: object) -> str:
    """The type with its article: ``a list``, ``a pandas Series``, ``an object array``."""
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    package = type(value).__module__.partition(".")[0]
    name = type(value).__qualname__
    return f"a {name}" if package == "builtins" else f"a {package} {name}"
