"""The pointwise log likelihood of a result, added after the fit."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.errors import OptionError
from isogmm.model.target import Target, names_of_coordinates
from isogmm.model.to_target import to_target
from isogmm.results.building.constrained import constrained, seed_of_model
from isogmm.results.building.fit_group import positions_from
from isogmm.results.building.from_draws import COMMON_ATTRIBUTES, Labels, groups_of_draws
from isogmm.results.building.result_options import known_names
from isogmm.results.groups import (
    SAMPLE_DIMS,
    Result,
    add_group,
    arviz_name,
    attributes,
    get_group,
    group_names,
)

#: Groups of a model that the log likelihood does not need.
UNWANTED = frozenset({"posterior", "log_prior"})
NO_LOG_LIKELIHOOD = "the model has no observed variable, so it has no log likelihood"


def log_likelihood(
    idata: Result,
    model: object = None,
    *model_args: object,
    model_kwargs: Mapping[str, object] | None = None,
    var_names: str | Sequence[str] | None = None,
) -> Result:
    """Add the pointwise log likelihood to the result of a fit.

    A fit leaves out a log likelihood of more than 1 GiB
    (``idata_kwargs={"max_log_likelihood_bytes": ...}``).  This function computes it in chunks of
    draws, so that it needs little more memory than the log likelihood itself.

    Parameters
    ----------
    idata
        The result of :func:`isogmm.fit_isogmm` or a related function, with its unconstrained draws.
        The group ``log_likelihood`` is added to it, or replaced.
    model, *model_args, model_kwargs
        The model and its arguments, as in the fit.
    var_names
        Observed variables; None for all.

    Returns
    -------
    InferenceData or DataTree
        ``idata``.

    Raises
    ------
    OptionError
        If the result has no unconstrained draws, belongs to another model, or if the model has no
        observed variable of a name in ``var_names``.
    ModelError
        If the model cannot be read.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import numpy as np
    >>> import isogmm
    >>> def log_likelihood(x, data):
    ...     return {"y": -0.5 * (data["y"] - x["mu"]) ** 2}
    >>> model = isogmm.LogDensity(
    ...     lambda x, data: -0.5 * x["mu"] ** 2 + log_likelihood(x, data)["y"].sum(),
    ...     {"mu": np.zeros(())},
    ...     log_likelihood=log_likelihood,
    ...     data={"y": np.arange(5.0)},
    ... )
    >>> options = {"log_likelihood": False}
    >>> idata = isogmm.fit_isogmm(model, random_seed=0, progressbar=False, idata_kwargs=options)
    >>> idata = isogmm.log_likelihood(idata, model)
    >>> idata["log_likelihood"]["y"].shape
    (4, 1000, 5)
    """
    found = attributes(idata)
    seed = seed_of_model(found)
    target = to_target(model, model_args, model_kwargs or {}, seed)
    positions = positions_of(idata, target)
    groups = constrained(target, positions, seed, UNWANTED)
    arrays = groups.get("log_likelihood", {})
    chosen = [var_names] if isinstance(var_names, str) else var_names
    if chosen is not None:
        known_names("var_names", chosen, list(arrays))
        arrays = {name: arrays[name] for name in chosen}
    if not arrays:
        raise OptionError(NO_LOG_LIKELIHOOD)
    return add_group(idata, "log_likelihood", labelled(arrays, target, idata))


def positions_of(idata: Result, target: Target) -> Float[np.ndarray, "c n d"]:
    """The unconstrained draws of a result of this target.

    Raises
    ------
    OptionError
        If the result has no unconstrained draws, or belongs to another model.
    """
    positions = positions_from(idata)
    if _coordinate_names(idata) != [arviz_name(name) for name in target.coordinate_names]:
        raise OptionError(
            f"the result belongs to another model: its {positions.shape[2]} unconstrained "
            f"coordinates differ from the {target.dim} of this model; pass the model and the "
            "arguments of the fit"
        )
    return positions


def labelled(
    arrays: Mapping[str, np.ndarray], target: Target, idata: Result, *, all_draws: bool = True
) -> xr.Dataset:
    """The log likelihood (c, n, ...) of variables, with the dimensions of the observed data.

    Chains and draws have the labels of the result if ``all_draws``, else numbers.
    """
    found, labels = attributes(idata), _labels(target, idata)
    if not all_draws:
        coords = {name: c for name, c in labels.coords.items() if name not in SAMPLE_DIMS}
        labels = replace(labels, coords=coords)
    built = groups_of_draws(
        {"log_likelihood": arrays},
        labels,
        found,
        common=[name for name in COMMON_ATTRIBUTES if name in found],
        with_data=False,
    )
    return built["log_likelihood"]


def _coordinate_names(idata: Result) -> list[str]:
    """Names of the unconstrained coordinates of a result."""
    if "fit" in group_names(idata):
        return [str(name) for name in get_group(idata, "fit")["coordinate"].values]
    arrays = get_group(idata, "unconstrained_posterior").data_vars.items()
    return names_of_coordinates({str(name): array.shape[2:] for name, array in arrays})


def _labels(target: Target, idata: Result) -> Labels:
    """The labels of the target, with those that the result has by its own options."""
    labels = Labels.of(target)
    dims, coords = dict(labels.dims), dict(labels.coords)
    for group in ("posterior", "observed_data"):
        if group in group_names(idata):
            coords |= {str(name): c.values for name, c in get_group(idata, group).coords.items()}
    if "observed_data" in group_names(idata):
        for name, array in get_group(idata, "observed_data").data_vars.items():
            dims[str(name)] = [str(dim) for dim in array.dims]
    return replace(labels, dims=dims, coords=coords)
