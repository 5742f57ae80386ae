"""The groups of a fit: draws, mixture and history."""

from collections.abc import Hashable, Mapping
from dataclasses import replace

import numpy as np
import xarray as xr

from isogmm.model.target import Target
from isogmm.results.building.constrained import is_left_out, log_likelihood_bytes, seed_of_model
from isogmm.results.building.constrained_in_time import constrained_in_time
from isogmm.results.building.datasets import dataset
from isogmm.results.building.fit_group import fit_group, history_group
from isogmm.results.building.fit_result import Attributes, FitResult
from isogmm.results.building.from_draws import (
    COMMON_ATTRIBUTES,
    Labels,
    groups_of_draws,
    library_attributes,
)
from isogmm.results.building.result_options import (
    OPTIONAL_GROUPS,
    ResultOptions,
    Wanted,
    known_names,
)
from isogmm.results.groups import SAMPLE_DIMS, arviz_name, plain

#: The groups of a fit, in the order of the result.
GROUP_ORDER = (
    "posterior",
    "sample_stats",
    "unconstrained_posterior",
    "log_likelihood",
    "log_prior",
    "observed_data",
    "constant_data",
    "fit",
    "fit_stats",
)


def result_groups(
    result: FitResult, options: ResultOptions
) -> tuple[dict[str, xr.Dataset], Attributes]:
    """Groups and root attributes of a fit.

    Parameters
    ----------
    result
        The fit.  Its draws are transformed to the scale of the model here.
    options
        The options of the result.

    Raises
    ------
    OptionError
        If an option names a variable that the result does not have.
    ModelError
        If the labels of a dimension do not fit a variable that has it.
    """
    wanted = _wanted(result, options)
    labels = labels_with(result.target, options)
    root = plain({**library_attributes("isogmm", labels), **result.attributes})
    draws: dict[str, Mapping[str, np.ndarray]] = {}
    if result.positions.shape[1]:
        unwanted = {group for group in OPTIONAL_GROUPS if wanted[group] is False}
        seed = seed_of_model(result.attributes)
        result, generated = constrained_in_time(result, seed, unwanted)
        draws = {"posterior": generated["posterior"], "sample_stats": result.statistics()}
        for group in OPTIONAL_GROUPS:
            draws[group] = _choose(generated.get(group, {}), wanted[group], group)
    with_data = result.group_defaults.get("data", True)
    groups = groups_of_draws(draws, labels, root, common=COMMON_ATTRIBUTES, with_data=with_data)
    common = {name: root[name] for name in COMMON_ATTRIBUTES}
    if draws:
        groups["unconstrained_posterior"] = dataset(
            result.target.unravel(result.positions),
            SAMPLE_DIMS,
            dims=_unconstrained_dims(result.target, labels, groups["posterior"].sizes),
            coords=labels.coords,
            attrs=common,
        )
    groups["fit"] = fit_group(result, common)
    if result.history:
        groups["fit_stats"] = history_group(result.history, common)
    return {group: groups[group] for group in GROUP_ORDER if group in groups}, root


def _wanted(result: FitResult, options: ResultOptions) -> dict[str, Wanted]:
    """The option of each optional group, or the default of the fit.

    Warns
    -----
    FitWarning
        If the log likelihood is left out because it is larger than the limit.
    """
    wanted: dict[str, Wanted] = {
        group: options.groups.get(group, result.group_defaults.get(group, True))
        for group in OPTIONAL_GROUPS
    }
    limit, names = options.max_log_likelihood_bytes, wanted["log_likelihood"]
    if limit is None or names is False:
        return wanted
    size = log_likelihood_bytes(result.target, result.positions, None if names is True else names)
    option = f"the limit, idata_kwargs={{'max_log_likelihood_bytes': {limit:.0f}}}"
    if is_left_out(size, limit, option):
        wanted["log_likelihood"] = False
    return wanted


def _choose(
    arrays: Mapping[str, np.ndarray], wanted: Wanted, group: str
) -> Mapping[str, np.ndarray]:
    """The variables of an optional group that its option selects."""
    if isinstance(wanted, bool):
        return arrays if wanted else {}
    names = [wanted] if isinstance(wanted, str) else wanted
    known_names(f"idata_kwargs[{group!r}]", names, list(arrays))
    return {name: arrays[name] for name in names}


def labels_with(target: Target, options: ResultOptions) -> Labels:
    """The labels of a target with those of the options."""
    labels = Labels.of(target)
    return replace(
        labels,
        dims={**labels.dims, **options.dims},
        coords={**labels.coords, **options.coords},
    )


def _unconstrained_dims(
    target: Target, labels: Labels, sizes: Mapping[Hashable, int]
) -> dict[str, list[str | None]]:
    """Dimension names of the unconstrained variables.

    A dimension whose size the transform changes, such as that of a simplex, gets no name.

    Parameters
    ----------
    target, labels
        The target, and its dimension names.
    sizes
        Sizes of the dimensions of the constrained variables.
    """
    dims = {}
    for name, shape in target.variables.items():
        given = target.unconstrained_dims.get(name, labels.dims.get(name, ()))
        dims[name] = [
            dim if dim is None or sizes.get(arviz_name(dim), size) == size else None
            for dim, size in zip(given, shape, strict=False)
        ]
    return dims
