"""Groups of a result: datasets in which every dimension has a name and labels.

This module needs xarray only, not ArviZ.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from isogmm.errors import ModelError, OptionError

if TYPE_CHECKING:
    from arviz import InferenceData

    #: A result: an ``InferenceData`` of ArviZ 0.x or a ``DataTree`` of ArviZ 1.x.
    Result: TypeAlias = xr.DataTree | InferenceData
else:
    Result = object

#: Names of the first two dimensions of all draws and of their statistics.
SAMPLE_DIMS = ("chain", "draw")

#: Integers that fit into 64 bits.  A file stores no others, so they become text.
INT64_RANGE = range(-(2**63), 2**63)

#: NumPy kinds of labels that keep their type: booleans, integers, floats, durations and dates.
#: Labels of other kinds become objects.
TYPED_LABEL_KINDS = "biufmM"


def arviz_name(name: str) -> str:
    """The name of a variable in a result, with a dot in place of each slash.

    A slash separates the groups of a ``DataTree``.
    """
    return name.replace("/", ".")


def plain(attrs: Mapping[str, object]) -> dict[str, str | int | float]:
    """Attributes as text and numbers, which every file format stores.

    Booleans become 0 or 1, integers of more than 64 bits become text, and other values become
    JSON text.  Attributes that are None are left out.
    """
    stored: dict[str, str | int | float] = {}
    for name, value in attrs.items():
        if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0:
            value = value.item()
        if value is None:
            continue
        if isinstance(value, bool):
            value = int(value)
        elif isinstance(value, int) and value not in INT64_RANGE:
            value = str(value)
        elif not isinstance(value, str | int | float):
            value = json.dumps(value, default=str)
        stored[name] = value
    return stored


def dataset(
    arrays: Mapping[str, ArrayLike],
    sample_dims: tuple[str, ...],
    *,
    dims: Mapping[str, Sequence[str | None]] | None = None,
    coords: Mapping[str, Sequence[object] | np.ndarray] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> xr.Dataset:
    """A dataset in which every dimension has a name and labels.

    Parameters
    ----------
    arrays
        Arrays by the name of the variable.
    sample_dims
        Names of the first axes of every array.
    dims
        Names of the axes after the sample dimensions, by variable; None or a missing name gives
        a generated name.  Names without an axis are ignored: the log likelihood of a multivariate
        variable has fewer axes than the variable.
    coords
        Labels by dimension; 0, 1, 2, ... where there are none.
    attrs
        Attributes of the dataset.

    Raises
    ------
    ModelError
        If two variables have the same name in the result, or if the labels of a dimension do not
        fit a variable that has it.
    """
    dims, coords = dims or {}, coords or {}
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    labels: dict[str, pd.Index] = {}
    for original, values in arrays.items():
        array = np.asarray(values)  # a DataArray would keep the type of a JAX array
        name = arviz_name(original)
        if name in variables:
            raise ModelError(f"two variables would be called {name!r} in the result: rename one")
        given = list(dims.get(original, dims.get(name, ())))
        names = list(sample_dims)
        for axis in range(array.ndim - len(sample_dims)):
            label = given[axis] if axis < len(given) else None
            label = f"{name}_dim_{axis}" if label is None else arviz_name(str(label))
            names.append(f"{label}_bis" if label in names else label)
        for label, size in zip(names, array.shape, strict=True):
            source = label.removesuffix("_bis")
            entries = _labels(coords[source] if source in coords else np.arange(size))
            if len(labels.setdefault(label, entries)) != size:
                raise ModelError(
                    f"variable {original!r} has {size} entries along dimension {label!r}, which "
                    f"has {len(labels[label])} labels: give dims and coords that agree"
                )
        variables[name] = (tuple(names), array)
    return xr.Dataset(variables, coords=labels, attrs=dict(attrs or {}))


def _labels(entries: Sequence[object] | np.ndarray) -> pd.Index:
    """The labels of a dimension, equal to those that the user gave.

    Dates become NumPy dates, as in every xarray object.  Tuples and other labels of several parts
    become text.  The labels are returned as an index, because xarray checks any other sequence
    against every installed array library.  One of these is ``sparse``, whose import takes half a
    second.
    """
    labels = np.asarray(entries) if not isinstance(entries, np.ndarray) else entries
    if labels.ndim != 1:
        labels = np.array([str(entry) for entry in entries], dtype=object)
    if labels.dtype.kind in TYPED_LABEL_KINDS:
        return pd.Index(labels, dtype=labels.dtype)
    is_moment = all(isinstance(entry, datetime | timedelta) for entry in labels)
    if len(labels) and is_moment and all(getattr(e, "tzinfo", None) is None for e in labels):
        return pd.Index(labels.tolist())
    return pd.Index(labels.astype(object), dtype=object)


def with_text_labels(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with text in place of labels that no file stores (intervals, periods)."""
    text = {}
    for name, coord in dataset.coords.items():
        if coord.dtype == object and not all(isinstance(entry, str) for entry in coord.values):
            text[name] = (coord.dims, np.array([str(entry) for entry in coord.values], object))
    return dataset.assign_coords(text) if text else dataset


# --- groups of any result ---------------------------------------------------------------------


def group_names(idata: Result) -> list[str]:
    """Names of the groups of a result, in order."""
    return list(idata.children) if isinstance(idata, xr.DataTree) else list(idata.groups())


def get_group(idata: Result, name: str) -> xr.Dataset:
    """One group of a result as a dataset.

    Raises
    ------
    OptionError
        If the result has no group of this name; the message lists its groups.
    """
    if name not in group_names(idata):
        raise OptionError(f"the result has no group {name!r}; it has {group_names(idata)}")
    group = idata[name]
    return group.to_dataset() if isinstance(group, xr.DataTree) else group


def add_group(idata: Result, name: str, dataset: xr.Dataset) -> Result:
    """Add a group to a result, or replace the group of the same name; returns the result."""
    if isinstance(idata, xr.DataTree):
        idata[name] = xr.DataTree(dataset)
    else:
        if name in group_names(idata):
            del idata[name]  # ArviZ 0.x lists a group twice that is assigned twice
        idata[name] = dataset
    return idata


def attributes(idata: Result) -> dict[str, str | int | float]:
    """Attributes of a result: those of the root, and of the posterior where the root has none."""
    posterior = get_group(idata, "posterior").attrs if "posterior" in group_names(idata) else {}
    return plain({**posterior, **idata.attrs})
