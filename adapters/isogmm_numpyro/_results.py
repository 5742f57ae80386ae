"""ArviZ results of NumPyro's own inference, complete and alike on both generations of ArviZ."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import numpyro
import xarray as xr

from isogmm.errors import require
from isogmm_numpyro._dims import DimensionNames
from isogmm_numpyro._target import ReadModel

#: Draws completed at once: bounds the memory of elementwise log likelihoods.
_DRAWS_AT_ONCE = 500


def make_result(
    model: Callable[..., Any],
    read: ReadModel,
    samples: Mapping[str, Any],
    attributes: Mapping[str, Any],
    sample_stats: Mapping[str, Any] | None = None,
) -> Any:
    """An ArviZ object from draws of the latent sites.

    Parameters
    ----------
    model, read
        The model and what is known of it.
    samples
        Draws of every free site on its support, each ``(chain, draw, ...)``.
    attributes
        ``sampling_time`` and others, for the posterior group and the root.
    sample_stats
        Statistics of each draw, ``(chain, draw)``.
    """
    latent = {name: np.asarray(samples[name]) for name in read.sites.free}
    groups = _complete(model, read, latent)
    names = DimensionNames(read.sites)
    arrays = {group: values for group, values in groups.items() if values}
    if sample_stats:
        arrays["sample_stats"] = {name: np.asarray(v) for name, v in sample_stats.items()}
    attrs = {
        "inference_library": "numpyro",
        "inference_library_version": numpyro.__version__,
        **attributes,
    }
    datasets = {
        group: _dataset(values, names, ("chain", "draw"), attrs) for group, values in arrays.items()
    }
    datasets["observed_data"] = _dataset(read.values.observed, names, (), attrs)
    if int(version("arviz").split(".")[0]) < 1:
        arviz = require("arviz", extra="numpyro")
        return arviz.InferenceData(attrs=attrs, **datasets)
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs.update(attrs)
    return tree


def _complete(
    model: Callable[..., Any], read: ReadModel, latent: dict[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Deterministics, discrete sites, log likelihood and log prior of each draw, compiled."""
    functions = read.functions(lambda: model)
    chains, draws = next(iter(latent.values())).shape[:2]

    def run(flat: dict[str, jax.Array], data: Any) -> Any:
        keys = jax.random.split(jax.random.key(0), chains * draws)
        return jax.lax.map(
            lambda row: functions.complete(row[0], row[1], data),
            (flat, keys),
            batch_size=min(_DRAWS_AT_ONCE, chains * draws),
        )

    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in latent.items()}
    groups = jax.jit(run)(flat, read.data)
    return jax.tree.map(lambda x: np.asarray(x).reshape(chains, draws, *x.shape[1:]), groups)


def _dataset(
    values: Mapping[str, np.ndarray],
    names: DimensionNames,
    sample_dims: tuple[str, ...],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    variables = {}
    for name, value in values.items():
        value = np.asarray(value)
        own = value.ndim - len(sample_dims)
        # The elementwise log densities of events lack the trailing axes of the variable.
        dims = [*names.dims.get(name, [])[:own]]
        dims += [f"{name}_dim_{axis}" for axis in range(len(dims), own)]
        variables[name] = ((*sample_dims, *dims), value)
    dataset = xr.Dataset(variables, attrs=dict(attrs))
    labels = {**names.coords, **{dim: range(dataset.sizes.get(dim, 0)) for dim in sample_dims}}
    coords = {dim: np.asarray(labels.get(dim, range(size))) for dim, size in dataset.sizes.items()}
    return dataset.assign_coords(coords)
