"""The groups of a fit, as datasets: what :mod:`isogmm.inference_data` makes one object of."""

import zlib
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import xarray as xr

from isogmm.errors import OptionError
from isogmm.model.target import Target
from isogmm.results.fit_group import fit_group, history_group
from isogmm.results.fit_result import FitResult
from isogmm.results.groups import SAMPLE_DIMS, dataset, plain

#: Groups that a user may leave out.
CHOSEN = ("log_likelihood", "log_prior")
#: Draws constrained at a time where one of them is: it never stands in memory whole.  Fewer where
#: the log likelihood of so many holds more numbers than this.
AT_A_TIME, NUMBERS_AT_A_TIME = 1024, 2**25
IDATA_OPTIONS = ("log_likelihood", "log_prior", "include_transformed", "dims", "coords")


def result_groups(
    result: FitResult, options: Mapping[str, Any]
) -> tuple[dict[str, xr.Dataset], dict[str, str | int | float]]:
    """Groups and root attributes of a fit.

    Parameters
    ----------
    result
        The fit; the draws are constrained here, all in one call of ``target.constrain``.
    options
        The ``idata_kwargs`` of :func:`isogmm.inference_data.to_inference_data`.

    Raises
    ------
    OptionError
        If the options have an unknown key.
    ModelError
        If the labels of a dimension do not fit the variable that has it.
    """
    unknown = sorted(set(options) - set(IDATA_OPTIONS))
    if unknown:
        raise OptionError(
            f"idata_kwargs has unknown entries {unknown}; known are {list(IDATA_OPTIONS)}"
        )
    target = result.target
    chains, _, dim = result.positions.shape
    unwanted = {group for group in CHOSEN if options.get(group, True) is False}
    generated = _constrained(
        target, result.positions.reshape(-1, dim), _seed(result.attributes), unwanted
    )
    generated = by_chain(generated, chains)
    root = _root_attributes(result)
    attrs = {
        name: root[name]
        for name in ("created_at", "inference_library", "inference_library_version")
    }
    labels = {
        "dims": {**target.dims, **options.get("dims", {})},
        "coords": {**target.coords, **options.get("coords", {})},
        "attrs": attrs,
    }
    statistics = {
        "lp": result.log_density,
        "log_q": result.log_q,
        "log_weight": result.log_weights,
        "component": result.components,
        "mode": result.modes,
    }
    groups = {
        "posterior": dataset(generated["posterior"], SAMPLE_DIMS, **{**labels, "attrs": root}),
        "sample_stats": dataset(statistics, SAMPLE_DIMS, attrs=attrs),
    }
    unconstrained = _unconstrained_labels(target, labels)
    groups["unconstrained_posterior"] = dataset(
        target.unravel(result.positions), SAMPLE_DIMS, **unconstrained
    )
    for group in CHOSEN:
        wanted = options.get(group, True)
        chosen = _choose(generated.get(group, {}), wanted, group)
        if chosen:
            own = own_labels(labels, chosen, target, generated["posterior"])
            groups[group] = dataset(chosen, SAMPLE_DIMS, **own)
    for group, arrays in (
        ("observed_data", target.observed_data),
        ("constant_data", target.constant_data),
    ):
        if arrays:
            groups[group] = dataset(arrays, (), **labels)
    groups["fit"] = fit_group(result, attrs)
    if result.history:
        groups["fit_stats"] = history_group(result.history, attrs)
    return groups, root


def _constrained(
    target: Target, positions: np.ndarray, seed: int, unwanted: Collection[str]
) -> Mapping[str, Mapping[str, np.ndarray]]:
    """The draws on the user's scale, with all groups that are wanted."""
    if not unwanted:
        return target.constrain(positions, seed)
    size = sum(np.size(array) for array in target.observed_data.values())
    at_a_time = max(1, min(AT_A_TIME, NUMBERS_AT_A_TIME // max(size, 1)))
    parts = []
    for begin in range(0, len(positions), at_a_time):
        part = target.constrain(positions[begin : begin + at_a_time], (seed + begin) % 2**31)
        parts.append({group: part[group] for group in part if group not in unwanted})
    return {
        group: {
            name: np.concatenate([np.asarray(part[group][name]) for part in parts])
            for name in parts[0][group]
        }
        for group in parts[0]
    }


def _seed(attributes: Mapping[str, Any]) -> int:
    """A seed for what the model draws itself (discrete sites), repeatable for a repeated fit."""
    seed = attributes.get("random_seed", 0)
    return zlib.crc32(str(seed).encode()) % 2**31


def _root_attributes(result: FitResult) -> dict[str, str | int | float]:
    return plain(
        {
            "inference_library": "isogmm",
            "inference_library_version": version("isogmm"),
            "modeling_library": result.target.library,
            "modeling_library_version": result.target.library_version,
            "arviz_version": version("arviz"),
            "created_at": datetime.now(UTC).isoformat(),
            **result.attributes,
        }
    )


def _choose(arrays: Mapping[str, Any], wanted: Any, group: str) -> Mapping[str, Any]:
    if isinstance(wanted, bool | np.bool_ | int):
        return arrays if wanted else {}
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    unknown = [name for name in names if name not in arrays]
    if unknown:
        raise OptionError(
            f"idata_kwargs[{group!r}] names {unknown}; the model has {sorted(arrays)}"
        )
    return {name: arrays[name] for name in names}


def _unconstrained_labels(target: Target, labels: Mapping[str, Any]) -> dict[str, Any]:
    """Dimension names of the unconstrained variables, dropped where a transform changed a size."""
    dims = {}
    for name, shape in target.variables.items():
        given = target.unconstrained_dims.get(name, labels["dims"].get(name, ()))
        coords = labels["coords"]
        dims[name] = [
            dim if dim not in coords or len(coords[dim]) == size else None
            for dim, size in zip(given, shape, strict=False)
        ]
    return {**labels, "dims": dims}


def by_chain(
    groups: Mapping[str, Mapping[str, np.ndarray]], chains: int
) -> dict[str, dict[str, np.ndarray]]:
    """Arrays (c n, ...) of constrained draws as (c, n, ...)."""
    return {
        group: {
            name: np.asarray(array).reshape(chains, len(array) // chains, *np.shape(array)[1:])
            for name, array in arrays.items()
        }
        for group, arrays in groups.items()
    }


def own_labels(
    labels: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    target: Target,
    posterior: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Dimension names of log densities, dropped where these are fewer than the values.

    A density of the whole vector in one entry (PyMC's CAR) does not have its dimension.
    """
    dims = dict(labels["dims"])
    shapes = {name: array.shape[2:] for name, array in posterior.items()}
    shapes |= {name: np.shape(array) for name, array in target.observed_data.items()}
    for name, array in arrays.items():
        if name in dims and name in shapes:
            sizes = zip(dims[name], array.shape[2:], shapes[name], strict=False)
            dims[name] = [dim if own == full else None for dim, own, full in sizes]
    return {**labels, "dims": dims}
