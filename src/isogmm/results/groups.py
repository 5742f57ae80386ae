"""Groups of a result, whatever made it: names, reading, adding, attributes.

This module imports neither xarray nor ArviZ, so that a fit starts to compile the model before they
are imported.
"""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from isogmm.errors import OptionError

if TYPE_CHECKING:
    import xarray as xr
    from arviz import InferenceData

    #: A result: an ``InferenceData`` of ArviZ 0.x or a ``DataTree`` of ArviZ 1.x.
    Result: TypeAlias = xr.DataTree | InferenceData
    #: One group of a result.
    Dataset: TypeAlias = xr.Dataset
else:
    Result = Dataset = object

#: Names of the first two dimensions of all draws and of their statistics.
SAMPLE_DIMS = ("chain", "draw")

#: Integers that fit into 64 bits.  A file stores no others, so they become text.
INT64_RANGE = range(-(2**63), 2**63)


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


# --- groups of any result ---------------------------------------------------------------------


def group_names(idata: Result) -> list[str]:
    """Names of the groups of a result, in order.

    Raises
    ------
    OptionError
        If the object is no result.
    """
    children = getattr(idata, "children", None)
    if isinstance(children, Mapping):
        return list(children)
    groups = getattr(idata, "groups", None)
    if callable(groups) and hasattr(idata, "attrs"):
        return list(groups())
    remedy = "pass what isogmm.fit_isogmm returned"
    if isinstance(idata, str | os.PathLike):
        remedy = "read the file first: isogmm.inference_data.load(path)"
    raise OptionError(
        "the argument must be a result (an InferenceData or a DataTree), not an object of type "
        f"{type(idata).__qualname__}: {remedy}"
    )


def get_group(idata: Result, name: str) -> Dataset:
    """One group of a result as a dataset.

    Parameters
    ----------
    idata
        A result.
    name
        Name of the group, such as ``"posterior"``.

    Returns
    -------
    xarray.Dataset
        The group.

    Raises
    ------
    OptionError
        If the result has no group of this name; the message lists its groups.
    """
    if name not in group_names(idata):
        raise OptionError(f"the result has no group {name!r}; it has {group_names(idata)}")
    group = idata[name]
    return group.to_dataset() if hasattr(group, "to_dataset") else group


def add_group(idata: Result, name: str, dataset: Dataset) -> Result:
    """Add a group to a result, or replace the group of the same name.

    Parameters
    ----------
    idata
        A result, which is changed.
    name
        Name of the group, such as ``"posterior_predictive"``.
    dataset
        The content of the group.

    Returns
    -------
    InferenceData or DataTree
        ``idata``.
    """
    if hasattr(idata, "children"):
        idata[name] = type(idata)(dataset)
    else:
        if name in group_names(idata):
            del idata[name]  # ArviZ 0.x lists a group twice that is assigned twice
        idata[name] = dataset
    return idata


def attributes(idata: Result) -> dict[str, str | int | float]:
    """Attributes of a result: those of the root, and of the posterior where the root has none."""
    posterior = get_group(idata, "posterior").attrs if "posterior" in group_names(idata) else {}
    return plain({**posterior, **idata.attrs})


def add_attributes(idata: Result, attrs: Mapping[str, object]) -> Result:
    """Add attributes to the root of a result and to its posterior; returns the result."""
    idata.attrs.update(plain(attrs))
    if "posterior" in group_names(idata):
        idata["posterior"].attrs.update(plain(attrs))
    return idata
