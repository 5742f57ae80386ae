"""The group ``fit`` of a result: the tables of the mixture, and which group holds which draws."""

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.building.datasets import dataset
from isogmm.results.building.fit_result import FitResult
from isogmm.results.groups import Result, arviz_name, get_group, group_names

#: Attribute of the group ``fit``: JSON of which group holds the unconstrained draws of a variable.
HOLDERS = "unconstrained_draws"
#: Coordinate of the group ``fit`` with the names of the coordinates by the user's labels.
LABELS = "coordinate_label"


def fit_group(result: FitResult, attrs: Mapping[str, object]) -> xr.Dataset:
    """The tables of the mixture, one set for each chain, and the further tables of the fit."""
    entries = {**result.mixture.tables(), **result.tables}
    names = [arviz_name(name) for name in result.target.coordinate_names]
    labels = [_with_arviz_name(name) for name in result.target.coordinate_labels]
    group = dataset(
        {name: array for name, (_, array) in entries.items()},
        (),
        dims={name: dims for name, (dims, _) in entries.items()},
        coords={"coordinate": names},
        attrs={**attrs, **result.mixture.labels()},
    )
    return group.assign_coords({LABELS: ("coordinate", np.array(labels, dtype=object))})


def _with_arviz_name(entry: str) -> str:
    """The name of an entry; its label may contain slashes, the name of its variable may not."""
    name, bracket, label = entry.partition("[")
    return arviz_name(name) + bracket + label


def coordinate_labels(fit: xr.Dataset) -> list[str]:
    """The coordinates of a group ``fit`` by the user's labels: ``theta[Choate]``.

    A file of an earlier version has their numbers: ``theta[0]``.
    """
    return [str(name) for name in fit[LABELS if LABELS in fit.coords else "coordinate"].values]


def history_group(history: Mapping[str, np.ndarray], attrs: Mapping[str, object]) -> xr.Dataset:
    """The history of the checks, by check and chain."""
    return dataset(history, (), dims=dict.fromkeys(history, ("check", "chain")), attrs=attrs)


def positions_from(idata: Result) -> Float[np.ndarray, "c n d"]:
    """The delivered draws in flat unconstrained coordinates.

    Parameters
    ----------
    idata
        A result.

    Returns
    -------
    numpy.ndarray
        Shape (chains, draws, d), with the coordinates in the order of the group ``fit``.

    Raises
    ------
    OptionError
        If the result was made without its unconstrained draws.
    """
    parts = []
    for name, group in holders(idata).items():
        if group is None or group not in group_names(idata) or name not in get_group(idata, group):
            raise OptionError(
                f"the result has no unconstrained draws of {name!r}: fit without "
                "idata_kwargs={'include_transformed': False}, and keep unconstrained_posterior"
            )
        values = get_group(idata, group)[name].transpose("chain", "draw", ...).values
        parts.append(values.reshape(*values.shape[:2], -1))
    return np.concatenate(parts, axis=-1)


def holders(idata: Result) -> dict[str, str | None]:
    """The group that holds the unconstrained draws of each variable."""
    if "fit" not in group_names(idata) and "unconstrained_posterior" in group_names(idata):
        # The result of another method, which has the unconstrained draws of all variables.
        names = get_group(idata, "unconstrained_posterior").data_vars
        return {str(name): "unconstrained_posterior" for name in names}
    fit = get_group(idata, "fit")
    if HOLDERS in fit.attrs:
        return json.loads(fit.attrs[HOLDERS])
    # A file of an earlier version: a variable that is not in the group was not transformed.
    unconstrained = "unconstrained_posterior"
    transformed = get_group(idata, unconstrained) if unconstrained in group_names(idata) else ()
    names = dict.fromkeys(str(name).split("[")[0] for name in fit["coordinate"].values)
    return {name: unconstrained if name in transformed else "posterior" for name in names}
