"""The groups of draws, statistics and data of a result, for the draws of any method."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np
import xarray as xr
from jaxtyping import Float

from isogmm.model.target import Target
from isogmm.results.arviz.versions import from_groups
from isogmm.results.building.constrained import (
    by_chain,
    constrained,
    is_left_out,
    log_likelihood_bytes,
    seed_of_model,
)
from isogmm.results.building.datasets import dataset
from isogmm.results.groups import SAMPLE_DIMS, Result, plain

#: Attributes of every group of a fit.  The posterior group has all attributes of the result.
COMMON_ATTRIBUTES = ("created_at", "inference_library", "inference_library_version")


@dataclass(frozen=True)
class Labels:
    """The names, labels and data that a model adds to its results.

    Parameters
    ----------
    library, library_version
        The modeling language and its version.
    dims, coords
        Names of the dimensions of each variable, without chain and draw, and the labels of each
        dimension.
    observed_data, constant_data
        Arrays for the groups of the same names.
    """

    library: str
    library_version: str
    dims: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    coords: Mapping[str, Iterable[object]] = field(default_factory=dict)
    observed_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    constant_data: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, target: Target) -> "Labels":
        """The labels of a target."""
        return cls(
            target.library,
            target.library_version,
            target.dims,
            target.coords,
            target.observed_data,
            target.constant_data,
        )


def library_attributes(library: str, labels: Labels) -> dict[str, str]:
    """The attributes with the libraries of a result, their versions and the time."""
    return {
        "inference_library": library,
        "inference_library_version": version(library),
        "modeling_library": labels.library,
        "modeling_library_version": labels.library_version,
        "arviz_version": version("arviz"),
        "created_at": datetime.now(UTC).isoformat(),
    }


def groups_of_draws(
    draws: Mapping[str, Mapping[str, np.ndarray]],
    labels: Labels,
    attributes: Mapping[str, object],
    *,
    common: Sequence[str] | None = None,
    with_data: bool = True,
) -> dict[str, xr.Dataset]:
    """Datasets of draws, statistics and data, with dimension names and labels.

    Parameters
    ----------
    draws
        Group (``posterior``, ``log_likelihood``, ``sample_stats``, ...) to variable to array
        (c, n, ...).  Groups without variables are left out.
    labels
        Names, labels and data of the model.
    attributes
        All attributes of the result; the posterior group has all of them.
    common
        Names of the attributes of the other groups, or None for all attributes.
    with_data
        Whether to add the groups ``observed_data`` and ``constant_data``.

    Raises
    ------
    ModelError
        If the labels of a dimension do not fit a variable that has it.
    """
    all_attrs = plain(attributes)
    common_attrs = all_attrs if common is None else {name: all_attrs[name] for name in common}
    shapes = {name: array.shape[2:] for name, array in draws.get("posterior", {}).items()}
    shapes |= {name: np.shape(array) for name, array in labels.observed_data.items()}
    groups = {}
    for group, arrays in draws.items():
        if not arrays:
            continue
        dims = labels.dims
        if group in ("log_likelihood", "log_prior"):
            dims = _own_dims(dims, arrays, shapes)
        groups[group] = dataset(
            arrays,
            SAMPLE_DIMS,
            dims={} if group == "sample_stats" else dims,
            coords={} if group == "sample_stats" else labels.coords,
            attrs=all_attrs if group == "posterior" else common_attrs,
        )
    for group, data in (
        ("observed_data", labels.observed_data),
        ("constant_data", labels.constant_data),
    ):
        if data and with_data:
            groups[group] = dataset(
                data, (), dims=labels.dims, coords=labels.coords, attrs=common_attrs
            )
    return groups


def _own_dims(
    dims: Mapping[str, Sequence[str | None]],
    arrays: Mapping[str, np.ndarray],
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, Sequence[str | None]]:
    """Dimension names of log densities, without the dimensions of other size than the variable.

    For example, PyMC's CAR distribution has one log density for a whole vector.
    """
    own = dict(dims)
    for name, array in arrays.items():
        if name in own and name in shapes:
            sizes = zip(own[name], array.shape[2:], shapes[name], strict=False)
            own[name] = [dim if size == full else None for dim, size, full in sizes]
    return own


def result_of_draws(
    target: Target,
    positions: Float[np.ndarray, "c n d"],
    *,
    library: str,
    seed: int,
    attributes: Mapping[str, object],
    sample_stats: Mapping[str, np.ndarray] | None = None,
) -> Result:
    """The result of a method whose draws are in the unconstrained space.

    Parameters
    ----------
    target
        The target of the model; it transforms the draws to the scale of the model.
    positions
        The draws.
    library
        The package that made the draws, for the attribute ``inference_library``.
    seed
        Seed of the random numbers that the model itself draws (discrete sites).
    attributes
        ``sampling_time``, ``num_gradient_evaluations`` and others.  Values of None are left out.
    sample_stats
        Statistics of each draw, (c, n).  The log density ``lp`` is added.

    Warns
    -----
    FitWarning
        If the log likelihood is left out because of its size.
    """
    chains, draws, dim = positions.shape
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    flat = positions.reshape(-1, dim)
    statistics = {"lp": target.values(flat).reshape(chains, draws), **(sample_stats or {})}
    labels = Labels.of(target)
    attrs = {**library_attributes(library, labels), "random_seed": seed, **attributes}
    if is_left_out(log_likelihood_bytes(target, positions)):
        generated = constrained(target, positions, seed_of_model(attrs), {"log_likelihood"})
        # The log likelihood is computed from these draws later.
        generated["unconstrained_posterior"] = target.unravel(positions)
    else:
        generated = by_chain(target.constrain(flat, seed), chains)
    groups = groups_of_draws({**generated, "sample_stats": statistics}, labels, attrs)
    return target.finish(from_groups(groups, attrs))
