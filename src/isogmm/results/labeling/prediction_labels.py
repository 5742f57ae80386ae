"""Labels for files and for predictions, with warnings where PyMC 5 would predict from the prior.

``pm.sample_posterior_predictive`` compares the labels of the result with those of the model.  Where
they differ, PyMC 5 draws the variables of this dimension from the prior, without a warning.  PyMC 6
keeps the draws and warns.
"""

import re
from collections.abc import Callable

import pandas as pd
import xarray as xr

from isogmm.errors import warn_user
from isogmm.model.adapter import find_adapter
from isogmm.results.groups import Result, attributes, get_group, group_names
from isogmm.results.labeling.stored_labels import LABELS, labels_as_text, labels_from_text

#: Text of a tuple or a row of a matrix: a result has this label where the model has the tuple.
_SEVERAL_PARTS = re.compile(r"\(.*,.*\)|\[.*\]", re.DOTALL)


def with_stored_labels(idata: Result) -> Result:
    """The result with labels that files can store.

    Labels of other types than numbers, text, bytes and dates are replaced by text.  An attribute
    of the coordinate has the original labels; :func:`with_original_labels` restores them.

    Parameters
    ----------
    idata
        The result, which does not change.

    Returns
    -------
    InferenceData or DataTree
        A copy with other labels.

    Warns
    -----
    FitWarning
        If labels have a type that cannot be restored, or if the result belongs to a model of
        PyMC 5 and has labels that must be restored before predictions.
    """
    stored = labels_as_text(idata)
    names = _dimensions(stored, lambda coord: LABELS in coord.attrs)
    if names:
        warn_user(
            f"the file stores the labels of {names} as text. Read it with "
            "isogmm.inference_data.load, which restores them. Otherwise PyMC 5 draws the "
            "variables with these labels from the prior when it makes predictions."
        )
    return stored


def with_original_labels(idata: Result, model: object = None) -> Result:
    """The result with the labels that it had before :func:`with_stored_labels`.

    Parameters
    ----------
    idata
        A result that was read from a file.  It does not change.
    model
        The model of the result, if predictions will be made with it.  Its labels are compared with
        those of the result.  Labels of a PyMC model that are tuples or NaN are prepared for the
        comparison that PyMC makes.

    Warns
    -----
    FitWarning
        If the result belongs to a model of PyMC 5 whose predictions would not use the draws of
        all variables: labels of the model differ, or can be compared only if ``model`` is given.
    """
    idata = labels_from_text(idata)
    if model is None:
        names = _dimensions(idata, lambda coord: any(map(_is_incomparable, coord.values)))
        if names:
            warn_user(
                f"PyMC 5 cannot compare the labels of {names} (tuples, rows of a matrix or "
                "missing labels) with those of a model. If you make predictions with a model that "
                "this program has not fitted, load the file with isogmm.inference_data.load(path, "
                "model). Otherwise the variables with these labels are drawn from the prior."
            )
        return idata
    adapter = find_adapter(model)
    adapter.make_comparable(model)
    names = _dimensions(idata, lambda coord: adapter.has_other_labels(model, coord))
    if names:
        warn_user(
            f"the labels of {names} in the result differ from those of the model. PyMC 5 makes "
            "predictions from the prior of the variables with these labels. Pass the model with "
            "the labels that it had in the fit, and change them later with pm.set_data."
        )
    return idata


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
