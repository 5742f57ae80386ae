"""Groups of a result: datasets whose dimensions all have names and labels; xarray alone."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr

from isogmm.errors import ModelError, OptionError

if TYPE_CHECKING:
    from arviz import InferenceData

    #: A result: what the installed ArviZ works with (0.x ``InferenceData``, 1.x ``DataTree``).
    Result: TypeAlias = xr.DataTree | InferenceData
else:
    Result = object

SAMPLE_DIMS = ("chain", "draw")


def arviz_name(name: str) -> str:
    """The name of a variable in a result: ``/`` separates groups in a ``DataTree``, so it is
    replaced by a dot."""
    return name.replace("/", ".")


def plain(attrs: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Attributes that every file format takes: text and numbers; anything else as JSON text."""
    plain = {}
    for name, value in attrs.items():
        if isinstance(value, np.generic | np.ndarray) and np.ndim(value) == 0:
            value = value.item()
        if value is None:
            continue
        if isinstance(value, bool):
            value = int(value)
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            value = str(value)
        elif not isinstance(value, str | int | float):
            value = json.dumps(value, default=str)
        plain[name] = value
    return plain


def dataset(
    arrays: Mapping[str, Any],
    sample_dims: tuple[str, ...],
    *,
    dims: Mapping[str, Sequence[str | None]] | None = None,
    coords: Mapping[str, Sequence[Any] | np.ndarray] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """A dataset in which every dimension has a name and every dimension has labels.

    ``dims`` speak of the axes after the sample dimensions; where a variable has fewer axes
    than names (the log likelihood of a multivariate variable) the first names hold.
    """
    dims, coords = dims or {}, coords or {}
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}
    labels: dict[str, pd.Index] = {}
    for original, values in arrays.items():
        array = np.asarray(values)  # a JAX array would stay one inside a DataArray
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


def _labels(entries: Sequence[Any] | np.ndarray) -> pd.Index:
    """Labels as the user gave them: whoever compares them with those of the model finds no change.

    Dates become dates of NumPy, as in every xarray object; what has several parts becomes text.
    An index spares xarray a look at every array library installed, among them ``sparse``,
    whose import costs half a second.
    """
    labels = np.asarray(entries) if not isinstance(entries, np.ndarray) else entries
    if labels.ndim != 1:
        labels = np.array([str(entry) for entry in entries], dtype=object)
    if labels.dtype.kind in "biufmM":
        return pd.Index(labels, dtype=labels.dtype)
    is_moment = all(isinstance(entry, datetime | timedelta) for entry in labels)
    if len(labels) and is_moment and all(getattr(e, "tzinfo", None) is None for e in labels):
        return pd.Index(labels.tolist())
    return pd.Index(labels.astype(object), dtype=object)


def with_text_labels(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset as a file takes it: labels that are objects (intervals, periods) become text."""
    text = {}
    for name, coord in dataset.coords.items():
        if coord.dtype == object and not all(isinstance(entry, str) for entry in coord.values):
            text[name] = (coord.dims, np.array([str(entry) for entry in coord.values], object))
    return dataset.assign_coords(text) if text else dataset


# --- reading any result -----------------------------------------------------------------------


def group_names(idata: Any) -> list[str]:
    """Names of the groups, in order."""
    return list(idata.children) if isinstance(idata, xr.DataTree) else list(idata.groups())


def get_group(idata: Any, name: str) -> xr.Dataset:
    """One group as a dataset.

    Raises
    ------
    OptionError
        If there is none of that name: the message lists those there are.
    """
    if name not in group_names(idata):
        raise OptionError(f"the result has no group {name!r}; it has {group_names(idata)}")
    group = idata[name]
    return group.to_dataset() if isinstance(group, xr.DataTree) else group


def add_group(idata: Any, name: str, dataset: xr.Dataset) -> Any:
    """Put a group into the result, in place of one of the same name; returns the result."""
    if isinstance(idata, xr.DataTree):
        idata[name] = xr.DataTree(dataset)
    else:
        if name in group_names(idata):
            del idata[name]  # assigned twice, ArviZ 0.x lists it twice
        idata[name] = dataset
    return idata


def attributes(idata: Any) -> dict[str, str | int | float]:
    """Attributes of the result: those of the posterior group, and above them those at the root."""
    posterior = get_group(idata, "posterior").attrs if "posterior" in group_names(idata) else {}
    return plain({**posterior, **idata.attrs})
