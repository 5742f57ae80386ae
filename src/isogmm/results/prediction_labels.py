"""Warnings of labels that would make PyMC 5 predict from the prior.

``pm.sample_posterior_predictive`` compares the labels of the result with those of the model.  Where
they differ, PyMC 5 draws the variables of this dimension from the prior, without a warning.  PyMC 6
keeps the draws and warns.
"""

import re
from collections.abc import Callable

import pandas as pd
import xarray as xr

from isogmm.errors import warn_user
from isogmm.results.groups import Result, attributes, get_group, group_names
from isogmm.results.stored_labels import LABELS

#: Text of a tuple or a row of a matrix: a result has this label where the model has the tuple.
_SEVERAL_PARTS = re.compile(r"\(.*,.*\)|\[.*\]", re.DOTALL)


def warn_of_saving(stored: Result) -> None:
    """Warn if the result has labels that a file stores as text and only ``load`` restores."""
    names = _dimensions(stored, lambda coord: LABELS in coord.attrs)
    if names:
        warn_user(
            f"the file stores the labels of {names} as text. Read it with "
            "isogmm.inference_data.load, which restores them. With a file that was read "
            "otherwise, PyMC 5 makes predictions from the prior of the variables with these "
            "labels."
        )


def warn_of_loading(idata: Result) -> None:
    """Warn if the result has labels that PyMC compares only if ``load`` was given the model."""
    names = _dimensions(idata, lambda coord: any(map(_is_incomparable, coord.values)))
    if names:
        warn_user(
            f"PyMC 5 cannot compare the labels of {names} (tuples, rows of a matrix or missing "
            "labels) with those of a model. If you make predictions with a model that this "
            "program has not fitted, load the file with isogmm.inference_data.load(path, model). "
            "Otherwise the variables with these labels are drawn from the prior."
        )


def _is_incomparable(label: object) -> bool:
    if isinstance(label, str):
        return _SEVERAL_PARTS.fullmatch(label) is not None
    return label is not None and bool(pd.isna(label))


def _dimensions(idata: Result, is_concerned: Callable[[xr.DataArray], bool]) -> str:
    """Names of the dimensions of the posterior that are concerned; empty if not of PyMC 5."""
    attrs = attributes(idata)
    version = str(attrs.get("modeling_library_version", ""))
    is_pymc_5 = attrs.get("modeling_library") == "pymc" and version.split(".")[0] == "5"
    if not is_pymc_5 or "posterior" not in group_names(idata):
        return ""
    coords = get_group(idata, "posterior").coords
    return ", ".join(f"{name!r}" for name, coord in coords.items() if is_concerned(coord))
