"""Data simulated from a PyMC model, and the model with simulated data."""

from typing import TYPE_CHECKING

import numpy as np
import pymc as pm
from pymc.model.fgraph import clone_model
from pytensor.graph.basic import Variable

from isogmm.errors import ModelError
from isogmm.model.simulation import Simulations
from isogmm_pymc._data.copies import copied
from isogmm_pymc._data.minibatches import on_full_data

if TYPE_CHECKING:
    import xarray as xr

#: Ending of the name of the ``pm.Data`` with the simulated values of a variable.
REPLICATE = "_replicate"


def simulate(
    model: pm.Model, random_seed: int, *, n: int, posterior: "xr.Dataset | None"
) -> Simulations:
    """Data simulated from a model; see ``AbstractAdapter.simulate``."""
    model = on_full_data(model)
    observed = [variable.name for variable in model.observed_RVs]
    missing = [name for name in observed if name.endswith("_observed")]
    if not observed or missing or model.potentials:
        what = (
            f"{', '.join(missing)} has missing values"
            if missing
            else f"{', '.join(p.name for p in model.potentials)} is a pm.Potential"
            if model.potentials
            else "the model has no observed variable"
        )
        raise ModelError(
            f"no data can be simulated: {what}. Give every observed variable a distribution and "
            "complete data, of which only the shapes are used."
        )
    options = {"model": model, "random_seed": random_seed}
    if posterior is None:
        drawn = pm.sample_prior_predictive(n, return_inferencedata=True, **options)
        prior, data = _group(drawn, "prior"), _group(drawn, "prior_predictive")
    else:
        drawn = pm.sample_posterior_predictive(
            posterior, var_names=observed, progressbar=False, **options
        )
        prior, data = posterior, _group(drawn, "posterior_predictive")
    truth = {str(name): _rows(prior, str(name)) for name in prior.data_vars}
    values = {name: _rows(data, name) for name in observed}
    count = len(values[observed[0]])
    datasets = [{name + REPLICATE: values[name][i] for name in observed} for i in range(count)]
    first = {name: values[name][0] for name in observed}
    return Simulations(_replicated(model, first, posterior is not None), list(datasets), {}, truth)


def _group(drawn: object, name: str) -> "xr.Dataset":
    group = drawn[name]  # type: ignore[index]
    return group.to_dataset() if hasattr(group, "to_dataset") else group


def _rows(dataset: "xr.Dataset", name: str) -> np.ndarray:
    """Values with one leading axis for all draws."""
    values = dataset[name].transpose("chain", "draw", ...).values
    return values.reshape(-1, *values.shape[2:])


def _replicated(model: pm.Model, values: dict[str, np.ndarray], adds: bool) -> pm.Model:
    """A copy of the model with simulated data, which replace those of the user or are added."""
    copy = copied(model, clone_model)
    with copy:
        for name, value in values.items():
            variable = copy[name]
            old: Variable = copy.rvs_to_values[variable]
            data = pm.Data(name + REPLICATE, np.asarray(value, dtype=old.type.dtype))
            if adds:
                pm.Potential(f"{name}_term", pm.logp(variable, data).sum())
            else:
                copy.rvs_to_values[variable] = data
                copy.values_to_rvs.pop(old)
                copy.values_to_rvs[data] = variable
    return copy
