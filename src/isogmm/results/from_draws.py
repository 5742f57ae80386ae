"""An ArviZ object from flat draws of any sampler, with the groups that every method gives."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
from jaxtyping import Float

from isogmm.model.target import Target
from isogmm.results.arviz_versions import from_groups
from isogmm.results.from_fit import by_chain, own_labels
from isogmm.results.groups import SAMPLE_DIMS, dataset


def result_of_draws(
    target: Target,
    positions: Float[np.ndarray, "c n d"],
    *,
    library: str,
    seed: int,
    attributes: Mapping[str, Any],
    sample_stats: Mapping[str, np.ndarray] | None = None,
) -> Any:
    """Posterior, log likelihood, log prior, sample statistics and data of unconstrained draws.

    Parameters
    ----------
    target
        Of the model: constrains the draws and knows names, dims and coords.
    positions
        The draws.
    library
        The package that made them, for ``inference_library``.
    seed
        For what the model draws itself (discrete sites).
    attributes
        ``sampling_time``, ``num_gradient_evaluations`` and others.
    sample_stats
        Statistics of each draw, ``(c, n)``; the log density ``lp`` is added.
    """
    chains, draws, dim = positions.shape
    flat = np.ascontiguousarray(positions.reshape(-1, dim), dtype=np.float64)
    statistics = {"lp": target.evaluate(flat)[0].reshape(chains, draws), **(sample_stats or {})}
    attrs = {
        "inference_library": library,
        "inference_library_version": version(library),
        "modeling_library": target.library,
        "modeling_library_version": target.library_version,
        "created_at": datetime.now(UTC).isoformat(),
        "random_seed": seed,
        **{name: value for name, value in attributes.items() if value is not None},
    }
    labels: dict[str, Any] = {"dims": target.dims, "coords": target.coords, "attrs": attrs}
    generated = by_chain(target.constrain(flat, seed), chains)
    groups = {}
    for group, arrays in generated.items():
        own = labels
        if group != "posterior":
            own = own_labels(labels, arrays, target, generated["posterior"])
        if arrays:
            groups[group] = dataset(arrays, SAMPLE_DIMS, **own)
    groups["sample_stats"] = dataset(statistics, SAMPLE_DIMS, attrs=attrs)
    for group, data in (
        ("observed_data", target.observed_data),
        ("constant_data", target.constant_data),
    ):
        if data:
            groups[group] = dataset(data, (), **labels)
    return target.finish(from_groups(groups, attrs))
