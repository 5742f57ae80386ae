"""Data in other forms than arrays: conversion to arrays, and descriptions for error messages."""

import numbers
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from isogmm_numpyro._arguments import is_array

#: Kinds of NumPy data types that are numbers.
_NUMBERS = "biufc"
#: Elements of a list that a description looks at, and lengths of rows that it lists.
_MAX_ELEMENTS, _MAX_LENGTHS = 1000, 4


def converted(
    args: tuple[object, ...], kwargs: Mapping[str, object]
) -> Iterator[tuple[tuple[object, ...], dict[str, object]]]:
    """The arguments with their data as arrays, in the ways in which a model may expect them.

    Lists, tuples and ranges of numbers, and objects that NumPy can convert (pandas, polars,
    xarray) become arrays. A table becomes a matrix first, and a dictionary of its columns next.
    Nothing is yielded if there is nothing to convert.
    """
    for table in (_numeric, _columns):
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
        is_table = _is_table(value)
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


def _is_table(value: object) -> bool:
    """Whether the value is a data frame of pandas or polars."""
    return all(hasattr(value, name) for name in ("columns", "dtypes", "__array__", "__getitem__"))


def _columns(table: Any) -> dict[object, object]:
    """A dictionary of the columns, those of numbers as arrays."""
    columns = {}
    for name in table.columns:
        array = _numeric(table[name])
        columns[name] = table[name] if array is None else array
    return columns


def _numeric(value: object) -> np.ndarray | None:
    """The value as an array of numbers with at least one axis, or None."""
    if is_array(value) or not (
        isinstance(value, list | tuple | range) or hasattr(value, "__array__")
    ):
        return None
    if hasattr(value, "_fields"):  # a named tuple
        return None
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


def describe(name: str, value: Any) -> tuple[str, str, str] | None:
    """Data that JAX cannot compute with: name, description and remedy; None for other arguments.

    Arrays of numbers, what :func:`converted` turns into them, and objects that are no data are
    not described.

    Parameters
    ----------
    name, value
        Name and value of the argument. The result names the entry if only one is the cause.
    """
    if value is None or _numeric(value) is not None or is_array(value):
        return None
    if isinstance(value, str):
        return name, "a string", "Pass the data themselves, or integer codes for text."
    kind = _name_of(value)
    entries: Mapping[Any, object] | None = value if isinstance(value, Mapping) else None
    if _is_table(value):
        entries = _columns(value)
    if entries is not None:
        described = (describe(f"{name}[{key!r}]", entries[key]) for key in entries)
        return next((found for found in described if found), None)
    if isinstance(value, set | frozenset):
        return name, f"{kind}, which has no order", "Pass a sorted list of its numbers."
    if not isinstance(value, list | tuple) and not hasattr(value, "__array__"):
        return None
    array = _as_array(value)
    if array is not None:
        found = _describe_elements(kind, array) if array.ndim else None
        return None if found is None else (name, *found)
    lengths = {len(one) if isinstance(one, Sized) else 1 for one in value}
    if len(lengths) < 2:
        return name, kind, "Pass a NumPy array of numbers."
    listed = ", ".join(map(str, sorted(lengths)[:_MAX_LENGTHS]))
    return (
        name,
        f"{kind} of rows of different lengths ({listed}{', ...' * (len(lengths) > _MAX_LENGTHS)})",
        "Pass one flat array and an array with the row of each entry, or fill the rows up to one "
        "length and mask the fill.",
    )


def _describe_elements(kind: str, array: np.ndarray) -> tuple[str, str] | None:
    """Description and remedy for data whose elements are not numbers; None without elements."""
    if not array.size:
        return f"{kind} without entries", "Check where the data come from."
    if array.dtype.kind in "mM":
        return f"{kind} of dates", "Pass numbers, for example days since the first date."
    elements = list(array.flat[:_MAX_ELEMENTS])
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
    types = ", ".join(dict.fromkeys(type(item).__name__ for item in elements))
    return f"{kind} with elements of type {types}", "Pass NumPy arrays of numbers."


def _name_of(value: object) -> str:
    """The type with its article: ``a list``, ``a pandas Series``, ``an object array``."""
    if isinstance(value, np.ndarray):
        return "a NumPy array"
    package = type(value).__module__.partition(".")[0]
    name = type(value).__qualname__
    return f"a {name}" if package == "builtins" else f"a {package} {name}"
