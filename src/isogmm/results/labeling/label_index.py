"""The labels of a dimension as a pandas index."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import xarray as xr

#: NumPy kinds of labels that keep their type: booleans and numbers.  Dates and durations keep
#: theirs too; labels of other kinds become objects.
NUMBER_KINDS = "biufc"


def label_index(entries: Iterable[object]) -> pd.Index:
    """The labels of a dimension, equal to those that the user gave.

    Numbers, dates and durations become arrays of their type, as in every xarray object.  Labels of
    several parts (tuples, the entries of a ``MultiIndex``, rows of a matrix) become text, because
    no array has such entries.  The result is an index because xarray checks any other sequence
    against every installed array library.  One of these is ``sparse``, whose import takes half a
    second.
    """
    labels = _array(entries)
    if labels.dtype.kind in "mM":
        return pd.Index(labels)  # with a resolution that pandas supports
    if labels.dtype.kind == "f" and labels.dtype.itemsize not in (4, 8):
        labels = labels.astype(float)  # pandas and zarr have no other numbers
    if labels.dtype.kind in NUMBER_KINDS:
        return pd.Index(labels, dtype=labels.dtype)
    labels = labels.astype(object)
    # Numbers beside other labels are those of Python, as they are read from a file.
    numbers = [i for i, label in enumerate(labels) if isinstance(label, np.number | np.bool_)]
    labels[numbers] = [labels[i].item() for i in numbers]
    is_moment = all(isinstance(entry, datetime | timedelta) for entry in labels)
    if len(labels) and is_moment and all(getattr(e, "tzinfo", None) is None for e in labels):
        return _in_microseconds(pd.Index(labels.tolist()))
    return pd.Index(labels, dtype=object)


def _array(entries: Iterable[object]) -> np.ndarray:
    """The entries as an array of one dimension."""
    # A tuple made of a DataArray has arrays without a dimension as entries.
    items = [entry.item() if isinstance(entry, xr.DataArray) else entry for entry in entries]
    try:
        labels = np.asarray(items)
    except ValueError:  # entries of different lengths
        return _as_text(items)
    if labels.ndim != 1 or labels.dtype.kind == "V":
        return _as_text(items)
    if labels.dtype == object and any(np.ndim(entry) for entry in labels):
        return _as_text(items)
    return labels


def _as_text(items: list[object]) -> np.ndarray:
    return np.array([str(item) for item in items], dtype=object)


def _in_microseconds(index: pd.Index) -> pd.Index:
    """Nanoseconds as microseconds, if nothing is lost.

    Python's dates have microseconds.  NumPy compares them with dates in microseconds by value, but
    with dates in nanoseconds as integers.
    """
    if not isinstance(index, pd.DatetimeIndex | pd.TimedeltaIndex) or index.unit != "ns":
        return index
    rounded = index.as_unit("us")
    return rounded if index.equals(rounded.as_unit("ns")) else index
