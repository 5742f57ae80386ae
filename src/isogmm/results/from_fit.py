"""The groups of a fit: draws, mixture and history."""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import numpy as np
import xarray as xr

from isogmm.errors import OptionError
from isogmm.model.target import Target
from isogmm.results.datasets import dataset
from isogmm.results.fit_group import fit_group, history_group
from isogmm.results.fit_result import Attributes, FitResult
from isogmm.results.from_draws import (
    COMMON_ATTRIBUTES,
    Labels,
    by_chain,
    groups_of_draws,
    library_attributes,
)
from isogmm.results.groups import SAMPLE_DIMS, plain

#: Groups that ``idata_kwargs`` can leave out.
OPTIONAL_GROUPS = ("log_likelihood", "log_prior")
#: Largest number of draws per call of ``target.constrain``, and largest number of entries of the
#: log likelihood in a call.  They apply if an optional group is left out.  Such a group is then
#: never in memory as a whole.
MAX_DRAWS_PER_CALL, MAX_ENTRIES_PER_CALL = 1024, 2**25
#: Number of different seeds of ``target.constrain``: seeds have 31 bits.
NUM_SEEDS = 2**31
#: Option of an optional group: True for all variables, False for none, or names of variables.
Wanted: TypeAlias = bool | str | Sequence[str]
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
#: The keys of ``idata_kwargs``.
IDATA_OPTIONS = ("log_likelihood", "log_prior", "include_transformed", "dims", "coords")


def result_groups(
    result: FitResult, options: Mapping[str, object]
) -> tuple[dict[str, xr.Dataset], Attributes]:
    """Groups and root attributes of a fit.

    Parameters
    ----------
    result
        The fit.  Its draws are transformed to the scale of the model here.
    options
        The ``idata_kwargs`` of :func:`isogmm.inference_data.to_inference_data`.

    Raises
    ------
    OptionError
        If the options have an unknown key.
    ModelError
        If the labels of a dimension do not fit a variable that has it.
    """
    unknown = sorted(set(options) - set(IDATA_OPTIONS))
    if unknown:
        raise OptionError(
            f"idata_kwargs has unknown entries {unknown}; known are {list(IDATA_OPTIONS)}"
        )
    wanted = {group: _wanted(result, options, group) for group in OPTIONAL_GROUPS}
    labels = Labels.of(result.target)
    labels = replace(
        labels,
        dims={**labels.dims, **_mapping(options, "dims")},
        coords={**labels.coords, **_mapping(options, "coords")},
    )
    root = plain({**library_attributes("isogmm", labels), **result.attributes})
    draws: dict[str, Mapping[str, np.ndarray]] = {}
    if result.positions.shape[1]:
        unwanted = {group for group in OPTIONAL_GROUPS if wanted[group] is False}
        generated = _constrained(result, unwanted)
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
            dims=_unconstrained_dims(result.target, labels),
            coords=labels.coords,
            attrs=common,
        )
    groups["fit"] = fit_group(result, common)
    if result.history:
        groups["fit_stats"] = history_group(result.history, common)
    return {group: groups[group] for group in GROUP_ORDER if group in groups}, root


def _wanted(result: FitResult, options: Mapping[str, object], group: str) -> Wanted:
    """The option of an optional group, or the default of the fit."""
    return cast(Wanted, options.get(group, result.group_defaults.get(group, True)))


def _mapping(options: Mapping[str, object], name: str) -> Mapping:
    """An option that must be a mapping; empty if it is not given."""
    value = options.get(name, {})
    if not isinstance(value, Mapping):
        raise OptionError(f"idata_kwargs[{name!r}] must be a dict, not {type(value).__name__}")
    return value


def _constrained(result: FitResult, unwanted: Collection[str]) -> dict[str, dict[str, np.ndarray]]:
    """Groups of arrays (c, n, ...) of the draws on the scale of the model.

    Unwanted groups are left out.  Floating types are at most as large as that of the unconstrained
    draws.
    """
    chains, _, dim = result.positions.shape
    flat, target = result.positions.reshape(-1, dim), result.target
    seed = _seed(result)
    rows = len(flat)
    if unwanted:
        entries = max(sum(np.size(array) for array in target.observed_data.values()), dim)
        rows = max(1, min(MAX_DRAWS_PER_CALL, MAX_ENTRIES_PER_CALL // entries))
    parts = []
    for first in range(0, len(flat), rows):
        part = target.constrain(flat[first : first + rows], (seed + first) % NUM_SEEDS)
        parts.append({group: part[group] for group in part if group not in unwanted})
    joined = {
        group: {
            name: _narrowed([np.asarray(part[group][name]) for part in parts], flat.dtype)
            for name in parts[0][group]
        }
        for group in parts[0]
    }
    return by_chain(joined, chains)


def _narrowed(parts: list[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """The parts as one array; a larger floating type is converted to ``dtype``."""
    if parts[0].dtype.kind == "f" and parts[0].dtype.itemsize > dtype.itemsize:
        parts = [part.astype(dtype) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _seed(result: FitResult) -> int:
    """Seed of the random numbers that the model draws (discrete sites), from that of the fit."""
    return zlib.crc32(str(result.attributes.get("random_seed", 0)).encode()) % NUM_SEEDS


def _choose(
    arrays: Mapping[str, np.ndarray], wanted: Wanted, group: str
) -> Mapping[str, np.ndarray]:
    """The variables of an optional group that its option selects."""
    if isinstance(wanted, bool | np.bool_ | int):
        return arrays if wanted else {}
    names = [wanted] if isinstance(wanted, str) else [str(name) for name in wanted]
    unknown = [name for name in names if name not in arrays]
    if unknown:
        raise OptionError(
            f"idata_kwargs[{group!r}] names {unknown}; the model has {sorted(arrays)}"
        )
    return {name: arrays[name] for name in names}


def _unconstrained_dims(target: Target, labels: Labels) -> dict[str, list[str | None]]:
    """Dimension names of the unconstrained variables.

    A dimension whose size the transform changes, such as that of a simplex, gets no name.
    """
    dims = {}
    for name, shape in target.variables.items():
        given = target.unconstrained_dims.get(name, labels.dims.get(name, ()))
        dims[name] = [
            dim if dim is None or len(labels.coords.get(dim, range(size))) == size else None
            for dim, size in zip(given, shape, strict=False)
        ]
    return dims
