"""The arrays and the affine map of a mixture as tables of a result, and back."""

from collections.abc import Mapping

import numpy as np

from isogmm.arrays import Array
from isogmm.errors import OptionError
from isogmm.mixtures.affine_map import PARTS, AffineMap
from isogmm.results.building.fit_result import Tables
from isogmm.results.groups import Dataset, Result, attributes, get_group, group_names

#: Dimension names of the arrays of a mixture, in order.
AXES = ("chain", "component", "coordinate", "coordinate_bis")


def tables_of(arrays: Mapping[str, Array], affine_map: AffineMap) -> Tables:
    """The tables of the group ``fit``: arrays by name, and the parts of the map.

    The map is the same for all chains; a copy for each lets the group be split by chain.
    """
    chains = len(arrays["means"])
    tables: Tables = {
        name: (AXES[: array.ndim], np.asarray(array))
        for name, array in arrays.items()
        if name != "log_weights"
    }
    tables["weights"] = (AXES[:2], np.exp(np.asarray(arrays["log_weights"])))
    parts: dict[str, tuple[str, ...]] = {"center": ("coordinate",)}
    if affine_map.kind == "dense":
        parts["factor"] = ("coordinate", "coordinate_bis")
    else:
        parts["scale"] = ("coordinate",)
    if affine_map.kind == "low_rank":
        parts |= {"vectors": ("coordinate", "rank"), "values": ("rank",)}
    for part, dims in parts.items():
        array = np.asarray(getattr(affine_map, part))
        copies = np.broadcast_to(array, (chains, *array.shape))
        tables[f"whitening_{part}"] = (("chain", *dims), copies)
    return tables


def read_tables(idata: Result) -> tuple[dict[str, np.ndarray], AffineMap]:
    """The arrays of the mixture in a result, and its map.

    Raises
    ------
    OptionError
        If the result does not come from this library, holds a factorized mixture, or holds
        parameters of components that are not finite.
    """
    if "fit" not in group_names(idata):
        library = attributes(idata).get("inference_library", "unknown")
        raise OptionError(
            "the result has no group 'fit': only results of fit_isogmm and fit_gmmvi contain a "
            f"mixture (inference_library is {library!r})"
        )
    fit = get_group(idata, "fit")
    if fit.attrs.get("family") == "factorized":
        raise OptionError(
            "the result contains a factorized mixture: read it with "
            "isogmm.FactorizedMixture.from_idata(idata)"
        )
    _validate(fit)
    weights = fit["weights"].values
    # Zero is replaced by the smallest number, so that a resumed fit can increase the weight.
    log_weights = np.log(np.maximum(weights, np.finfo(weights.dtype).tiny))
    # All chains hold copies of the same map.
    parts = {
        part: fit[f"whitening_{part}"].values[0] for part in PARTS if f"whitening_{part}" in fit
    }
    parts.setdefault("scale", np.ones_like(parts["center"]))
    stored = {str(name): array.values for name, array in fit.data_vars.items()}
    return {**stored, "log_weights": log_weights}, AffineMap(**parts)


def _validate(fit: Dataset) -> None:
    """Raise an error if the group ``fit`` does not hold a mixture with finite parameters."""
    missing = [name for name in ("means", "weights", "whitening_center") if name not in fit]
    if missing:
        raise OptionError(
            f"the group 'fit' of the result has no {', '.join(missing)}: it does not contain a "
            "mixture of fit_isogmm or fit_gmmvi, or not all of its variables were saved"
        )
    for name, array in fit.data_vars.items():
        values = array.values
        if "component" not in array.dims or values.dtype.kind != "f" or np.isfinite(values).all():
            continue
        where = ", ".join(
            f"{dim}={index}"
            for dim, index in zip(array.dims, np.argwhere(~np.isfinite(values))[0], strict=True)
        )
        raise OptionError(
            f"the {name} of the stored mixture have {(~np.isfinite(values)).sum()} entries that "
            f"are not finite, the first at {where}: the file is damaged or the fit diverged, so "
            "fit the model again"
        )
