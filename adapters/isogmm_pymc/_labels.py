"""Labels of dimensions, as PyMC's predictions can compare them with those of a result."""

import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from numpy.typing import DTypeLike

from isogmm.results.labeling.label_index import NUMBER_KINDS, label_index

#: Texts of missing labels, in memory and in files.
MISSING = {"", "None", "nan", "NaT", "<NA>"}


class ComparableLabels(tuple):
    """Labels that NumPy takes for an array of one dimension and compares by their text.

    ``pm.sample_posterior_predictive`` compares the labels of the result with those of the model.
    Where they differ, PyMC 5 draws the variables with this dimension from the prior.  NumPy makes
    a matrix of a tuple of tuples, which cannot be compared with the labels of the result and
    cannot be the labels of the predictions.  Labels that were read from a file can be text, and
    missing labels are not equal to themselves.
    """

    __slots__ = ()

    #: NumPy then leaves the comparison with an array to this class.
    __array_ufunc__ = None

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(label_index(self).values, dtype=dtype)

    def __eq__(self, other: object) -> bool | np.ndarray:  # type: ignore[override]
        if not isinstance(other, np.ndarray):
            return tuple.__eq__(self, other)
        return np.array(_texts(label_index(self))) == np.array(_texts(label_index(other)))

    def __ne__(self, other: object) -> bool | np.ndarray:  # type: ignore[override]
        are_equal = self == other
        return ~are_equal if isinstance(are_equal, np.ndarray) else not are_equal

    __hash__ = tuple.__hash__


def _texts(index: pd.Index) -> list[str]:
    """The labels as text, with one text for missing labels."""
    texts = [str(label) for label in index]
    return ["" if text in MISSING else text for text in texts]


def make_comparable(model: pm.Model) -> None:
    """Replace labels of the model that NumPy does not compare by value, by equal ones."""
    for name, labels in model.coords.items():
        if labels is not None and not isinstance(labels, ComparableLabels):
            values = label_index(labels)
            is_text = values.dtype == object and all(isinstance(label, str) for label in labels)
            is_number = values.dtype.kind in NUMBER_KINDS and not values.hasnans
            if not (is_text or is_number):
                model._coords[name] = ComparableLabels(labels)


def has_other_labels(model: pm.Model, coord: xr.DataArray) -> bool:
    """Whether the model has other labels for this dimension, by the comparison that PyMC makes."""
    labels = model.coords.get(str(coord.name))
    if labels is None:
        return False
    return len(labels) != coord.size or not bool(np.all(coord.data == labels))
