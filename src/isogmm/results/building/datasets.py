"""Datasets in which every dimension has a name and labels."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

from isogmm.errors import ModelError
from isogmm.results.groups import arviz_name
from isogmm.results.labeling.label_index import label_index


def dataset(
    arrays: Mapping[str, ArrayLike],
    sample_dims: tuple[str, ...],
    *,
    dims: Mapping[str, Sequence[str | None]] | None = None,
    coords: Mapping[str, Iterable[object]] | None = None,
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
            source = label if label in coords else label.removesuffix("_bis")
            entries = label_index(coords[source] if source in coords else np.arange(size))
            if len(labels.setdefault(label, entries)) != size:
                raise ModelError(
                    f"variable {original!r} has {size} entries along dimension {label!r}, which "
                    f"has {len(labels[label])} labels: give dims and coords that agree"
                )
        variables[name] = (tuple(names), array)
    return xr.Dataset(variables, coords=labels, attrs=dict(attrs or {}))
