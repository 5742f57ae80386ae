"""The group ``fit`` of a result: the tables of the mixture, and which group holds which draws."""

import json
from collections.abc import Mapping

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.datasets import dataset
from isogmm.results.fit_result import FitResult
from isogmm.results.groups import Result, arviz_name, get_group, group_names

#: Attribute of the group ``fit``: JSON of which group holds the unconstrained draws of a variable.
HOLDERS = "unconstrained_draws"


def fit_group(result: FitResult, attrs: Mapping[str, object]) -> xr.Dataset:
    """The tables of the mixture, one set for each chain, and the further tables of the fit."""
    entries = {**result.mixture.tables(), **result.tables}
    names = [arviz_name(name) for name in result.target.coordinate_names]
    return dataset(
        {name: array for name, (_, array) in entries.items()},
        (),
        dims={name: dims for name, (dims, _) in entries.items()},
        coords={"coordinate": names},
        attrs={**attrs, **result.mixture.labels()},
    )


def history_group(history: Mapping[str, np.ndarray], attrs: Mapping[str, object]) -> xr.Dataset:
    """The history of the checks, by check and chain."""
    return dataset(history, (), dims=dict.fromkeys(history, ("check", "chain")), attrs=attrs)


def positions_from(idata: Result) -> Float[np.ndarray, "c n d"]:
    """The delivered draws in flat unconstrained coordinates, in the order of ``fit``.

    Raises
    ------
    OptionError
        If the result was made without its unconstrained draws.
    """
    parts = []
    for name, group in _holders(idata).items():
        if group is None or group not in group_names(idata) or name not in get_group(idata, group):
            raise OptionError(
                f"the result has no unconstrained draws of {name!r}: fit without "
                "idata_kwargs={'include_transformed': False}, and keep unconstrained_posterior"
            )
        values = get_group(idata, group)[name].transpose("chain", "draw", ...).values
        parts.append(values.reshape(*values.shape[:2], -1))
    return np.concatenate(parts, axis=-1)


def _holders(idata: Result) -> dict[str, str | None]:
    """The group that holds the unconstrained draws of each variable."""
    fit = get_group(idata, "fit")
    if HOLDERS in fit.attrs:
        return json.loads(fit.attrs[HOLDERS])
    # A file of an earlier version: a variable that is not in the group was not transformed.
    unconstrained = "unconstrained_posterior"
    transformed = get_group(idata, unconstrained) if unconstrained in group_names(idata) else ()
    names = dict.fromkeys(str(name).split("[")[0] for name in fit["coordinate"].values)
    return {name: unconstrained if name in transformed else "posterior" for name in names}
