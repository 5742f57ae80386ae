"""The group ``fit`` of a result: the tables of the mixture, and which group holds which draws."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.results.fit_result import FitResult
from isogmm.results.groups import arviz_name, dataset, get_group, group_names

#: Attribute of the group ``fit``: JSON of which group holds the unconstrained draws of a variable.
HOLDERS = "unconstrained_draws"


def fit_group(result: FitResult, attrs: Mapping[str, Any]) -> xr.Dataset:
    """Mixture and map, one set per chain, so that the group can be taken apart by chain."""
    mixture, affine = result.mixture, result.mixture.affine_map
    chains = len(mixture.means)
    axes = ("chain", "component", "coordinate", "coordinate_bis")
    entries: dict[str, tuple[tuple[str, ...], Any]] = {
        **{
            name: (axes[: array.ndim], array)
            for name, array in mixture.arrays().items()
            if name != "log_weights"
        },
        "weights": (("chain", "component"), np.exp(np.asarray(mixture.log_weights))),
    }
    parts: dict[str, tuple[str, ...]] = {"center": ("coordinate",)}
    if affine.kind == "dense":
        parts["factor"] = ("coordinate", "coordinate_bis")
    else:
        parts["scale"] = ("coordinate",)
    if affine.kind == "low_rank":
        parts |= {"vectors": ("coordinate", "rank"), "values": ("rank",)}
    for part, dims in parts.items():
        array = np.asarray(getattr(affine, part))
        entries[f"whitening_{part}"] = (
            ("chain", *dims),
            np.broadcast_to(array, (chains, *array.shape)),
        )
    entries.update(result.tables)
    names = [arviz_name(name) for name in result.target.coordinate_names]
    return dataset(
        {name: array for name, (_, array) in entries.items()},
        (),
        dims={name: dims for name, (dims, _) in entries.items()},
        coords={"coordinate": names},
        attrs={**attrs, "whitening": affine.kind},
    )


def history_group(history: Mapping[str, Any], attrs: Mapping[str, Any]) -> xr.Dataset:
    """What each check saw, by check and chain."""
    return dataset(history, (), dims=dict.fromkeys(history, ("check", "chain")), attrs=attrs)


def positions_from(idata: Any) -> Float[np.ndarray, "c n d"]:
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


def _holders(idata: Any) -> dict[str, str | None]:
    """For each variable the group that holds its unconstrained draws."""
    fit = get_group(idata, "fit")
    if HOLDERS in fit.attrs:
        return json.loads(fit.attrs[HOLDERS])
    # A file of an earlier version: what is not among the transformed ones never was transformed.
    unconstrained = "unconstrained_posterior"
    transformed = get_group(idata, unconstrained) if unconstrained in group_names(idata) else ()
    names = dict.fromkeys(str(name).split("[")[0] for name in fit["coordinate"].values)
    return {name: unconstrained if name in transformed else "posterior" for name in names}
