"""Results of NumPyro's own inference."""

from collections.abc import Collection, Mapping
from functools import partial

import jax
import numpy as np
import xarray as xr

from isogmm.results.arviz.versions import from_groups
from isogmm.results.building.constrained import by_chain, is_left_out
from isogmm.results.building.from_draws import groups_of_draws, library_attributes
from isogmm.results.groups import Result, plain
from isogmm_numpyro._density.functions import Generated
from isogmm_numpyro._reading.read import ReadModel
from isogmm_numpyro._types import Data, Model

#: Number of draws that are completed at once. It bounds the memory of the log likelihoods.
_MAX_DRAWS_AT_A_TIME = 500


def make_result(
    model: Model,
    read: ReadModel,
    samples: Mapping[str, np.ndarray],
    attributes: Mapping[str, object],
    sample_stats: Mapping[str, np.ndarray] | None = None,
) -> Result:
    """The result of draws of the latent sites.

    Parameters
    ----------
    model, read
        The model, and its sites and values.
    samples
        Draws of every free site on its support, each ``(chain, draw, ...)``.
    attributes
        ``sampling_time`` and others.
    sample_stats
        Statistics of each draw, ``(chain, draw)``.
    """
    labels = read.labels()
    attrs = plain({**library_attributes("numpyro", labels), **attributes})
    draws = _complete(model, read, {name: samples[name] for name in read.sites.free})
    groups = groups_of_draws({**draws, "sample_stats": sample_stats or {}}, labels, attrs)
    # A model without observed sites has the group too.
    groups.setdefault("observed_data", xr.Dataset(attrs=attrs))
    return from_groups(groups, attrs)


def _complete(
    model: Model, read: ReadModel, latent: Mapping[str, np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Deterministic and discrete sites, log likelihood and log prior of each draw."""
    functions = read.functions(lambda: model)
    chains, draws = next(iter(latent.values())).shape[:2]

    flat = {name: value.reshape(-1, *value.shape[2:]) for name, value in latent.items()}

    def run(flat: dict[str, jax.Array], data: Data, unwanted: Collection[str] = ()) -> Generated:
        def complete(row: tuple[dict[str, jax.Array], jax.Array]) -> Generated:
            groups = functions.complete(*row, data)
            return {group: {} if group in unwanted else groups[group] for group in groups}

        keys = jax.random.split(jax.random.key(0), chains * draws)
        rows = min(_MAX_DRAWS_AT_A_TIME, chains * draws)
        return jax.lax.map(complete, (flat, keys), batch_size=rows)

    leaves = jax.eval_shape(run, flat, read.data)["log_likelihood"].values()
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in leaves)
    leaves_out = is_left_out(size, remedy="numpyro.infer.log_likelihood")
    unwanted = ["log_likelihood"] if leaves_out else []
    program = jax.jit(partial(run, unwanted=unwanted))
    return by_chain(jax.tree.map(np.asarray, program(flat, read.data)), chains)
