"""Functions that all baselines share: the model, the log likelihood and the attributes."""

from collections.abc import Mapping

import numpy as np
import pymc as pm
from pymc.backends.arviz import find_observations

from isogmm.errors import OptionError
from isogmm.results.building.constrained import is_left_out
from isogmm.results.groups import Result, add_group, get_group, group_names
from isogmm_pymc import _bambi
from isogmm_pymc._data.copies import copyable
from isogmm_pymc._languages import BambiModel, is_bambi
from isogmm_pymc._programs.to_jax import jax_dispatcher

#: PyMC stores log likelihoods in double precision.
BYTES_OF_NUMBER = 8


def pymc_model_of(
    model: pm.Model | BambiModel | None, model_kwargs: Mapping[str, object] | None
) -> pm.Model:
    """The PyMC model of a PyMC or Bambi model; None stands for the model of the open context.

    PyMC's samplers may convert the model to JAX.  The operations that this adapter adds to
    PyTensor's conversion are therefore registered here, not only by a fit.

    Raises
    ------
    OptionError
        If ``model_kwargs`` are given: a PyMC model takes none.
    """
    if model_kwargs:
        raise OptionError(
            f"a PyMC model takes no arguments, but model_kwargs has {sorted(model_kwargs)}"
        )
    jax_dispatcher()
    return _bambi.built_pymc_model(model) if is_bambi(model) else pm.modelcontext(model)


def add_log_likelihood(
    result: Result, model: pm.Model | BambiModel | None, pymc_model: pm.Model
) -> None:
    """Add the log likelihood if the model has data and the sampler has not added it."""
    if not pymc_model.observed_RVs or "log_likelihood" in group_names(result):
        return
    posterior = get_group(result, "posterior")
    draws = posterior.sizes["chain"] * posterior.sizes["draw"]
    data = find_observations(pymc_model).values()
    size = BYTES_OF_NUMBER * draws * sum(np.size(array) for array in data)
    if is_left_out(size, remedy="pm.compute_log_likelihood(idata, model=model)"):
        return
    if is_bambi(model):
        # A copy is used, because Bambi adds the parameters of the likelihood to the posterior.
        copy = model.compute_log_likelihood(result, inplace=False)
        add_group(result, "log_likelihood", get_group(copy, "log_likelihood"))
    else:
        with copyable(pymc_model):
            pm.compute_log_likelihood(result, model=pymc_model, progressbar=False)


def with_attributes(result: Result, seconds: float, attributes: Mapping[str, object]) -> Result:
    """The result with these attributes at its root and in its posterior group."""
    attributes = {
        "inference_library": "pymc",
        "inference_library_version": pm.__version__,
        "sampling_time": seconds,
        **attributes,
    }
    result.attrs.update(attributes)
    posterior = get_group(result, "posterior").assign_attrs(attributes)
    return add_group(result, "posterior", posterior)
